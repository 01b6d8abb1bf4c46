//! Where requests and connections end up.

use super::{
    admission::{self, Admissions},
    answer::{BackendTaken, OtherZone},
    external,
};
use crate::{
    chart::{Chart, Fleet},
    plan::destination::Destination,
};

/// Most endpoints that are listed of a backend.
const MOST_ENDPOINTS: usize = 20;

/// A backend of this weight, of all backends together `sum`, and its endpoints as the fleet's zone sees them.
pub(super) fn backend(
    chart: &Chart,
    fleet: &Fleet,
    destination: &Destination,
    cluster: &str,
    (weight, sum): (u32, f64),
) -> BackendTaken {
    let mut external = external::behind(chart, fleet, destination);
    let services = fleet.zone.as_ref().and_then(|zone| chart.services(zone));
    let instances = services
        .into_iter()
        .flat_map(|all| all.instances(destination));
    let (mut endpoints, mut unhealthy) = (Vec::new(), 0);
    let mut admissions = Admissions::default();
    for instance in instances {
        match &instance.address {
            Ok(address) if instance.healthy => {
                endpoints.push(address.to_string());
                admissions.add(chart, fleet, instance, address);
            }
            _ => unhealthy += 1,
        }
    }
    let mut other_zones = other_zones(chart, fleet, destination);
    if external.iter().any(|one| one.permitted) {
        (endpoints, unhealthy) = (external::endpoints(&external), 0);
        admissions = Admissions::default();
        other_zones.clear();
    }
    let more_external = external.len().saturating_sub(MOST_ENDPOINTS);
    external.truncate(MOST_ENDPOINTS);
    let more_endpoints = endpoints.len().saturating_sub(MOST_ENDPOINTS);
    endpoints.truncate(MOST_ENDPOINTS);
    BackendTaken {
        tags: destination.tags().clone(),
        cluster: cluster.to_owned(),
        weight,
        percent: (f64::from(weight) / sum * 10_000.0).round() / 100.0,
        policies: Vec::new(),
        endpoints,
        more_endpoints,
        unhealthy,
        admissions: admissions.told(MOST_ENDPOINTS),
        other_zones,
        external,
        more_external,
    }
}

fn other_zones(chart: &Chart, fleet: &Fleet, destination: &Destination) -> Vec<OtherZone> {
    let (spread, waits) = chart.elsewhere(fleet, destination);
    let endpoints = spread.endpoints.into_iter().take(MOST_ENDPOINTS);
    endpoints
        .map(|one| OtherZone {
            zone: one.zone.to_string(),
            address: one.address.to_string(),
            instances: one.instances,
            waits,
        })
        .collect()
}

/// What is said where no backend has an endpoint.
fn nowhere(takes: &str, backends: &[BackendTaken]) -> String {
    let lack = external::lack(backends);
    let lack = lack.map_or_else(String::new, |lack| format!("; {lack}"));
    format!("no backend has an endpoint that takes {takes}{lack}")
}

/// What becomes of what a route or a listener sends to its backends.
pub(super) enum Served {
    /// None of them takes any, and why.
    Nowhere(String),
    /// Some do; what else is to be said of those that do not.
    Somewhere(Option<&'static str>),
}

/// Looks at all backends that get something of `takes`, requests or connections.
pub(super) fn served(takes: &str, backends: &[BackendTaken]) -> Served {
    let serving: Vec<_> = backends.iter().filter(|one| one.percent > 0.0).collect();
    let is_missing = |one: &BackendTaken| one.is_nowhere();
    let denies = |one: &BackendTaken| admission::denial(one).is_some();
    if serving.iter().all(|one| is_missing(one)) {
        return Served::Nowhere(nowhere(takes, backends));
    }
    if serving.iter().all(|one| is_missing(one) || denies(one)) {
        let denial = serving.iter().find_map(|one| admission::denial(one));
        let why = denial.map_or_else(String::new, |why| format!(": {why}"));
        return Served::Nowhere(format!("no backend lets the gateway in{why}"));
    }
    let missing = serving.iter().any(|one| is_missing(one));
    let mut admissions = serving.iter().flat_map(|one| &one.admissions);
    Served::Somewhere(match (missing, admissions.any(|one| !one.permitted)) {
        (false, false) => None,
        (true, false) => Some("where the chosen backend has no endpoint"),
        (false, true) => Some("where the chosen instance does not let the gateway in"),
        (true, true) => {
            Some("where the chosen backend has no endpoint, or does not let the gateway in")
        }
    })
}
