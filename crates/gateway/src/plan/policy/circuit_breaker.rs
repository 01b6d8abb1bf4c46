//! CircuitBreaker: how much a service gets at a time, and which of its instances are left alone for a while.

use std::time::Duration;

use portolan_model::Resource;
use portolan_proto::{
    mesh::{
        self,
        circuit_breaker::{
            Conf as Spec,
            conf::{
                self, Detectors,
                detectors::{Errors, Failure, StandardDeviation},
            },
        },
    },
    well_known::{self, UInt32Value},
};

use super::{Conf, Policy, given};
use crate::fault::{Fault, Reason};

/// The greatest factor that fits Envoy's field, in thousandths.
const MOST_FACTOR: f64 = u32::MAX as f64 / 1_000.0;

/// Limits, and what makes an instance an outlier.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CircuitBreaker {
    /// What a cluster has at a time.
    pub limits: Limits,
    /// Which instances are ejected; nothing if none is.
    pub outliers: Option<Outliers>,
}

/// What a cluster has at a time; what is not given keeps its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Connections.
    pub connections: Option<u32>,
    /// Requests that wait for a connection.
    pub pending: Option<u32>,
    /// Retries.
    pub retries: Option<u32>,
    /// Requests.
    pub requests: Option<u32>,
}

/// Which instances are left alone, and for how long. A detector that is not given ejects nobody.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outliers {
    /// Between two looks at the detectors that compare instances, and at who may come back.
    pub interval: Option<Duration>,
    /// How long, times the number of ejections so far.
    pub ejection: Option<Duration>,
    /// Most instances at a time, in percent. If it is not given, 10, and always one.
    pub most: Option<u32>,
    /// Whether failures of connections count apart from those that instances answer.
    pub split: bool,
    /// Failures in a row, of any sort.
    pub total: Option<Consecutive>,
    /// Answers 502, 503 and 504 in a row.
    pub gateway: Option<Consecutive>,
    /// Failures of connections in a row, if these count apart.
    pub local: Option<Consecutive>,
    /// Too far below the mean of all instances.
    pub deviation: Option<Deviation>,
    /// Too many failures.
    pub failure: Option<Failures>,
}

/// So many in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consecutive(pub Option<u32>);

/// How far the rate of success of an instance may be below the mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deviation {
    /// When there is enough to compare.
    pub volume: Volume,
    /// In standard deviations.
    pub factor: Option<f64>,
}

/// How many requests may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    /// When there is enough to compare.
    pub volume: Volume,
    /// In percent.
    pub threshold: Option<u32>,
}

/// When there is enough to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Requests to an instance in an interval.
    pub requests: Option<u32>,
    /// Instances with so many requests.
    pub instances: Option<u32>,
}

impl Conf for CircuitBreaker {
    fn read(resource: &Resource, faults: &mut Vec<Fault>) -> Option<Policy<Self>> {
        // Stores hold only specs that are messages of their kind.
        let spec: mesh::CircuitBreaker = resource.spec_as().ok()?;
        let given = spec.conf.unwrap_or_default();
        let mut left_out = |field: &str, wanted| {
            let field = format!("conf.{field}");
            faults.push(Fault::of(resource, field, Reason::Wanted(wanted)));
        };
        let conf = Self {
            limits: given.thresholds.map(Limits::from).unwrap_or_default(),
            outliers: Outliers::read(given, &mut left_out),
        };
        Some(Policy::new(resource, spec.sources, spec.destinations, conf))
    }
}

impl From<conf::Thresholds> for Limits {
    fn from(thresholds: conf::Thresholds) -> Self {
        Self {
            connections: number(thresholds.max_connections),
            pending: number(thresholds.max_pending_requests),
            retries: number(thresholds.max_retries),
            requests: number(thresholds.max_requests),
        }
    }
}

impl Outliers {
    /// Nothing if no detector is given. Values that Envoy would refuse are left out.
    fn read(conf: Spec, left_out: &mut impl FnMut(&str, &'static str)) -> Option<Self> {
        let detectors = conf
            .detectors
            .filter(|given| *given != Detectors::default())?;
        let mut span = |field, value: Option<well_known::Duration>| {
            let usable = given(value).filter(|value| !value.is_zero());
            if value.is_some() && usable.is_none() {
                left_out(field, "a time above 0");
            }
            usable
        };
        let interval = span("interval", conf.interval);
        let ejection = span("baseEjectionTime", conf.base_ejection_time);
        let mut percent = |field, value: Option<UInt32Value>| {
            let value = number(value)?;
            let usable = (value <= 100).then_some(value);
            if usable.is_none() {
                left_out(field, "a percentage from 0 to 100");
            }
            usable
        };
        let most = percent("maxEjectionPercent", conf.max_ejection_percent);
        let failure = detectors.failure.map(|failure| {
            let Failure {
                request_volume,
                minimum_hosts,
                threshold,
            } = failure;
            Failures {
                volume: Volume::of(request_volume, minimum_hosts),
                threshold: percent("detectors.failure.threshold", threshold),
            }
        });
        let deviation = detectors.standard_deviation.map(|deviation| {
            let StandardDeviation {
                request_volume,
                minimum_hosts,
                factor,
            } = deviation;
            let factor = factor.map(|factor| factor.value);
            let usable = factor.filter(|factor| (0.0..=MOST_FACTOR).contains(factor));
            if factor.is_some() && usable.is_none() {
                left_out(
                    "detectors.standardDeviation.factor",
                    "a factor from 0 to 4000000",
                );
            }
            Deviation {
                volume: Volume::of(request_volume, minimum_hosts),
                factor: usable,
            }
        });
        Some(Self {
            interval,
            ejection,
            most,
            split: conf.split_external_and_local_errors,
            total: detectors.total_errors.map(Consecutive::from),
            gateway: detectors.gateway_errors.map(Consecutive::from),
            local: detectors.local_errors.map(Consecutive::from),
            deviation,
            failure,
        })
    }
}

impl From<Errors> for Consecutive {
    fn from(errors: Errors) -> Self {
        Self(number(errors.consecutive))
    }
}

impl Volume {
    fn of(requests: Option<UInt32Value>, instances: Option<UInt32Value>) -> Self {
        Self {
            requests: number(requests),
            instances: number(instances),
        }
    }
}

fn number(value: Option<UInt32Value>) -> Option<u32> {
    value.map(|value| value.value)
}
