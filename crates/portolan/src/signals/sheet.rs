//! Metrics whose values stand elsewhere, written down when they are asked for.

use std::{borrow::Cow, fmt};

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

/// Labels with their values, and the value of the metric.
pub(crate) type Sample<const LABELS: usize, N> = ([(&'static str, Cow<'static, str>); LABELS], N);

/// What a collector writes on: one method call for each metric.
pub(crate) struct Sheet<'a>(DescriptorEncoder<'a>);

impl<'a> Sheet<'a> {
    /// On an encoder.
    pub(crate) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// A gauge of one value.
    pub(crate) fn gauge(
        &mut self,
        (name, unit): (&str, Option<Unit>),
        help: &str,
        value: impl EncodeGaugeValue,
    ) -> fmt::Result {
        self.gauges((name, unit), help, [([], value)])
    }

    /// A gauge of one value for each set of labels.
    pub(crate) fn gauges<const LABELS: usize, N: EncodeGaugeValue>(
        &mut self,
        name: (&str, Option<Unit>),
        help: &str,
        samples: impl IntoIterator<Item = Sample<LABELS, N>>,
    ) -> fmt::Result {
        let samples = samples.into_iter();
        let gauges = samples.map(|(labels, value)| (labels, ConstGauge::new(value)));
        self.family(name, help, MetricType::Gauge, gauges)
    }

    /// A counter of one value. Its name is without `_total`.
    pub(crate) fn counter(
        &mut self,
        name: (&str, Option<Unit>),
        help: &str,
        value: impl EncodeCounterValue,
    ) -> fmt::Result {
        self.counters(name, help, [([], value)])
    }

    /// A counter of one value for each set of labels. Its name is without `_total`.
    pub(crate) fn counters<const LABELS: usize, N: EncodeCounterValue>(
        &mut self,
        name: (&str, Option<Unit>),
        help: &str,
        samples: impl IntoIterator<Item = Sample<LABELS, N>>,
    ) -> fmt::Result {
        let samples = samples.into_iter();
        let counters = samples.map(|(labels, value)| (labels, ConstCounter::new(value)));
        self.family(name, help, MetricType::Counter, counters)
    }

    fn family<const LABELS: usize>(
        &mut self,
        (name, unit): (&str, Option<Unit>),
        help: &str,
        metric_type: MetricType,
        samples: impl Iterator<Item = Sample<LABELS, impl EncodeMetric>>,
    ) -> fmt::Result {
        let help = format!("{help}.");
        let mut family = self
            .0
            .encode_descriptor(name, &help, unit.as_ref(), metric_type)?;
        for (labels, metric) in samples {
            metric.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
