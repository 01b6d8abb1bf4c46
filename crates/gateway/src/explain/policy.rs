//! Which policies are for a route and for its backends, and why these.

use portolan_model::{
    kinds::{FAULT_INJECTION, RATE_LIMIT},
    tags::Tags,
};

use super::{answer::PolicyTaken, words};
use crate::{
    chart::{Chart, Fleet},
    plan::{
        action::Forward,
        destination::Destination,
        policy::{Chosen, Scope},
        proxy::ForProxy,
        table::Route,
        tcp::TcpTable,
    },
};

/// What connections from a listener with tags `source` to a destination get.
pub(super) fn of_backend(chosen: &Chosen, source: &Tags, destination: &Tags) -> Vec<PolicyTaken> {
    let taken = chosen.scopes().filter(|(_, acts, _)| acts.on_clusters);
    taken
        .map(|(kind, _, scope)| told(kind.name(), scope, matched(scope, source, destination)))
        .collect()
}

/// What requests of a route get, whichever backend they go to.
pub(super) fn of_route(route: &Route, forward: &Forward) -> Vec<PolicyTaken> {
    let taken = route.chosen.scopes().filter(|(_, acts, _)| acts.on_routes);
    let destinations = forward.backends.iter().map(|backend| &*backend.destination);
    let destinations: Vec<_> = destinations.collect();
    let source = &route.listener.tags;
    taken
        .map(|(kind, _, scope)| {
            let mut why = shared(scope, source, &destinations);
            if route.chosen.at_member && [RATE_LIMIT, FAULT_INJECTION].contains(&kind) {
                why.push_str("; done by the member that is reached, for its own tags");
            }
            told(kind.name(), scope, why)
        })
        .collect()
}

/// What connections through a TCP proxy from a listener with tags `source` get, whichever backend they go
/// to.
pub(super) fn of_connections(table: &TcpTable, source: &Tags) -> Vec<PolicyTaken> {
    let taken = table.chosen().scopes().filter(|(_, acts, _)| acts.on_tcp);
    let destinations = table.shares().iter().map(|share| &*share.destination);
    let destinations: Vec<_> = destinations.collect();
    taken
        .map(|(kind, _, scope)| told(kind.name(), scope, shared(scope, source, &destinations)))
        .collect()
}

/// Why it is for all these destinations together.
fn shared(scope: &Scope, source: &Tags, destinations: &[&Destination]) -> String {
    match destinations {
        [only] => matched(scope, source, only.tags()),
        several if of_one_service(several.iter().map(|one| one.service())) => {
            "the oldest of those for its backends".to_owned()
        }
        _ if scope.is_for_all() => "for every service, so for all its backends".to_owned(),
        _ => "the oldest of those for its backends; none is for every service".to_owned(),
    }
}

/// What all listeners of a fleet get, and what they do not get although it is asked for.
pub(super) fn of_proxies(chart: &Chart, fleet: &Fleet) -> Vec<PolicyTaken> {
    let Some(gateway) = &fleet.gateway else {
        return Vec::new();
    };
    let chosen = chart.for_proxies(&gateway.key.mesh, fleet);
    let told = chosen.scopes().map(|(kind, scope)| {
        let by = ForProxy::selected(scope, &fleet.tags);
        let mut why = by.map_or_else(String::new, |by| {
            format!("for proxies with {}", words::tags(by))
        });
        for fault in chosen.faults_of(kind) {
            why = format!("{why}; without effect: {}", fault.reason);
        }
        told(kind.name(), scope, why)
    });
    told.collect()
}

fn of_one_service<'a>(mut services: impl Iterator<Item = &'a str>) -> bool {
    let first = services.next();
    services.all(|service| Some(service) == first)
}

fn told(kind: &str, scope: &Scope, why: String) -> PolicyTaken {
    PolicyTaken {
        r#type: kind.to_owned(),
        name: scope.author.display_name().to_owned(),
        why,
    }
}

fn matched(scope: &Scope, source: &Tags, destination: &Tags) -> String {
    words::matched(scope, source, destination).unwrap_or_default()
}
