//! What a zone knows of its global and its proxies, as metrics.

use std::{collections::BTreeMap, fmt, sync::Arc};

use portolan_store::Index;
use portolan_xds::type_urls;
use prometheus_client::{
    collector::Collector,
    encoding::DescriptorEncoder,
    metrics::histogram::Histogram,
    registry::{Registry, Unit},
};
use tokio::sync::watch;

use super::sessions::{Counts, Sessions};
use crate::signals::{self, Sample, Sheet};

/// What Envoy asks for; anything else counts together.
const TYPES: [&str; 6] = [
    type_urls::CLUSTER,
    type_urls::ENDPOINTS,
    type_urls::LISTENER,
    type_urls::ROUTES,
    type_urls::SECRET,
    type_urls::RUNTIME,
];

/// How long it takes to compile what changed for all proxies.
pub(super) fn compile_time(registry: &mut Registry) -> Histogram {
    let histogram = signals::seconds();
    registry.register_with_unit(
        "portolan_compile",
        "Time to compile a change for all proxies that it touches",
        Unit::Seconds,
        histogram.clone(),
    );
    histogram
}

/// Reads index and sessions when it is asked.
pub(super) struct ZoneMetrics {
    /// The zone's own store.
    pub(super) index: Arc<Index>,
    /// Whether there is a connection to a global.
    pub(super) connected: watch::Receiver<bool>,
    /// The streams of proxies.
    pub(super) sessions: Arc<Sessions>,
}

impl fmt::Debug for ZoneMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZoneMetrics").finish_non_exhaustive()
    }
}

impl Collector for ZoneMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet::new(encoder);
        sheet.gauge(
            ("portolan_kds_connected", None),
            "Whether the zone is connected to a global",
            u64::from(*self.connected.borrow()),
        )?;
        let snapshot = self.index.snapshot();
        sheet.gauge(
            ("portolan_kds_applied_revision", None),
            "The global's revision up to which the zone has everything on its disk",
            snapshot.watermark().map_or(0, |mark| mark.revision),
        )?;
        let instances = self.sessions.instances();
        sheet.gauge(
            ("portolan_xds_streams", None),
            "Proxies that are connected",
            instances.len(),
        )?;
        let refusing = instances.iter().filter(|it| !it.refused_type.is_empty());
        sheet.gauge(
            ("portolan_xds_refusing_proxies", None),
            "Proxies that refused their configuration and keep the last good one",
            refusing.count(),
        )?;
        sheet.counters(
            ("portolan_xds_responses", None),
            "Messages with resources of a type, by what became of them",
            outcomes(self.sessions.responses()),
        )
    }
}

/// By type, without the package of its name, and outcome.
fn outcomes(counts: impl IntoIterator<Item = (String, Counts)>) -> Vec<Sample<2, u64>> {
    let mut by_type = BTreeMap::<&str, Counts>::new();
    for (type_url, counts) in counts {
        let known = TYPES.into_iter().find(|known| *known == type_url);
        let name = known.and_then(|known| known.rsplit('.').next());
        by_type
            .entry(name.unwrap_or("other"))
            .or_default()
            .add(&counts);
    }
    let samples = by_type.into_iter().flat_map(|(name, counts)| {
        let outcomes = [
            ("sent", counts.sent),
            ("acknowledged", counts.acknowledged),
            ("refused", counts.refused),
        ];
        outcomes.map(|(outcome, count)| {
            let labels = [("type", name.into()), ("outcome", outcome.into())];
            (labels, count)
        })
    });
    samples.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_told_by_types_that_envoy_has() {
        let counts = |sent| Counts {
            sent,
            acknowledged: 1,
            refused: 0,
        };
        let told = outcomes([
            (type_urls::ROUTES.to_owned(), counts(2)),
            ("made-up-1".to_owned(), counts(3)),
            ("made-up-2".to_owned(), counts(4)),
        ]);
        let told: Vec<_> = told
            .iter()
            .map(|([(_, name), (_, outcome)], count)| (&**name, &**outcome, *count))
            .collect();
        assert_eq!(
            told,
            [
                ("RouteConfiguration", "sent", 2),
                ("RouteConfiguration", "acknowledged", 1),
                ("RouteConfiguration", "refused", 0),
                ("other", "sent", 7),
                ("other", "acknowledged", 2),
                ("other", "refused", 0),
            ]
        );
    }
}
