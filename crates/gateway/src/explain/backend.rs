//! Where requests and connections end up.

use super::{answer::BackendTaken, external};
use crate::{
    chart::{Chart, Fleet},
    plan::destination::Destination,
};

/// Most endpoints that are listed of a backend.
const MOST_ENDPOINTS: usize = 20;

/// A backend of this weight, of all backends together `sum`, and its endpoints in the fleet's zone.
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
    for instance in instances {
        match &instance.address {
            Ok(address) if instance.healthy => endpoints.push(address.to_string()),
            _ => unhealthy += 1,
        }
    }
    if external.iter().any(|one| one.permitted) {
        (endpoints, unhealthy) = (external::endpoints(&external), 0);
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
        external,
        more_external,
    }
}

/// What is said where no backend has an endpoint.
pub(super) fn nowhere(takes: &str, backends: &[BackendTaken]) -> String {
    let lack = external::lack(backends);
    let lack = lack.map_or_else(String::new, |lack| format!("; {lack}"));
    format!("no backend has an endpoint that takes {takes}{lack}")
}

/// How many backends get something, and how many of these have nowhere to send it.
pub(super) fn serving(backends: &[BackendTaken]) -> (usize, usize) {
    let serving = backends.iter().filter(|backend| backend.percent > 0.0);
    let missing = serving.clone().filter(|one| one.endpoints.is_empty());
    (serving.count(), missing.count())
}
