//! FaultInjection: what goes wrong with requests on purpose.

use std::time::Duration;

use portolan_model::{
    Resource,
    tags::{ANY, PROTOCOL},
};
use portolan_proto::{
    mesh::{
        self, Selector,
        fault_injection::conf::{Abort, Delay, ResponseBandwidth},
    },
    well_known::DoubleValue,
};

use super::{Conf, Policy, given};
use crate::fault::{Fault, Reason};

/// What requests on an HTTP listener always speak, however their backend is called.
const HTTP: [&str; 3] = ["http", "http2", "grpc"];

/// Units of bandwidth, and how many kbps they are.
const UNITS: [(&str, u64); 3] = [("kbps", 1), ("mbps", 1_000), ("gbps", 1_000_000)];

/// Faults, each of some of the requests; at least one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FaultInjection {
    /// How long requests wait before they go on.
    pub delay: Option<Portion<Duration>>,
    /// The status with which they are answered instead.
    pub abort: Option<Portion<u32>>,
    /// How fast their answers come, in kbps: KiB a second.
    pub bandwidth: Option<Portion<u64>>,
}

/// Something for some of the requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Portion<T> {
    /// For how many of a hundred; from 0 to 100.
    pub percentage: f64,
    /// What.
    pub what: T,
}

impl Conf for FaultInjection {
    fn read(resource: &Resource, faults: &mut Vec<Fault>) -> Option<Policy<Self>> {
        // Stores hold only specs that are messages of their kind.
        let spec: mesh::FaultInjection = resource.spec_as().ok()?;
        let given = spec.conf.unwrap_or_default();
        let (delay, abort, bandwidth) = (given.delay, given.abort, given.response_bandwidth);
        let mut left_out = |field, wanted| {
            let field = format!("conf.{field}");
            faults.push(Fault::of(resource, field, Reason::Injection(wanted)));
        };
        let conf = Self {
            delay: read(delay.as_ref(), read_delay, || {
                left_out("delay", "a value above 0");
            }),
            abort: read(abort.as_ref(), read_abort, || {
                left_out("abort", "an httpStatus from 200 to 599");
            }),
            bandwidth: read(bandwidth.as_ref(), read_bandwidth, || {
                left_out("responseBandwidth", "a limit such as 50 mbps");
            }),
        };
        if conf == Self::default() {
            return None;
        }
        let destinations = spec.destinations.into_iter().map(of_requests).collect();
        Some(Policy::new(resource, spec.sources, destinations, conf))
    }
}

/// A selector of destinations without the protocol, if it is one of requests: the destination of a route
/// seldom says it.
fn of_requests(mut selector: Selector) -> Selector {
    let tags = &mut selector.r#match;
    tags.retain(|name, value| {
        let is_http = || HTTP.iter().any(|http| value.eq_ignore_ascii_case(http));
        name != PROTOCOL || !(value == ANY || is_http())
    });
    selector
}

/// Reads one sort of fault, if there is one that can be used.
fn read<S: Default + PartialEq, T>(
    given: Option<&S>,
    read: impl FnOnce(&S) -> Option<Portion<T>>,
    left_out: impl FnOnce(),
) -> Option<Portion<T>> {
    // Without any field it counts as none.
    let given = given.filter(|given| **given != S::default())?;
    let usable = read(given);
    if usable.is_none() {
        left_out();
    }
    usable
}

fn read_delay(delay: &Delay) -> Option<Portion<Duration>> {
    let what = given(delay.value).filter(|value| !value.is_zero())?;
    portion(delay.percentage.as_ref(), what)
}

fn read_abort(abort: &Abort) -> Option<Portion<u32>> {
    let status = abort.http_status.as_ref()?.value;
    (200..600).contains(&status).then_some(())?;
    portion(abort.percentage.as_ref(), status)
}

fn read_bandwidth(bandwidth: &ResponseBandwidth) -> Option<Portion<u64>> {
    let kbps = kbps(&bandwidth.limit.as_ref()?.value)?;
    portion(bandwidth.percentage.as_ref(), kbps)
}

fn portion<T>(percentage: Option<&DoubleValue>, what: T) -> Option<Portion<T>> {
    let percentage = percentage?.value;
    (0.0..=100.0)
        .contains(&percentage)
        .then_some(Portion { percentage, what })
}

/// A bandwidth such as `50 mbps`; above 0.
fn kbps(limit: &str) -> Option<u64> {
    let limit = limit.to_ascii_lowercase();
    let mut units = UNITS.iter();
    let (number, scale) =
        units.find_map(|(unit, scale)| Some((limit.strip_suffix(unit)?, scale)))?;
    let number: u64 = number.trim_end().parse().ok()?;
    number.checked_mul(*scale).filter(|kbps| *kbps > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bandwidths_are_read_in_each_unit() {
        for (text, expected) in [
            ("50kbps", Some(50)),
            ("50 mbps", Some(50_000)),
            ("2 gbps", Some(2_000_000)),
            ("2 Gbps", Some(2_000_000)),
            ("0 mbps", None),
            ("-1 mbps", None),
            ("1.5 mbps", None),
            ("50 bps", None),
            ("mbps", None),
            ("18446744073709551615 gbps", None),
        ] {
            assert_eq!(kbps(text), expected, "{text}");
        }
    }
}
