//! What a route does with a request that it takes.

use super::{
    answer::{BackendTaken, Outcome, RouteTaken},
    backend::{Served, backend, served},
    location, place, policy,
    request::Seen,
    words,
};
use crate::{
    chart::{Chart, Fleet},
    plan::{
        action::{Action, Forward},
        destination::cluster_name,
        table::Route,
    },
};

/// What the route that takes the request does with it.
pub(super) fn decision(
    chart: &Chart,
    fleet: &Fleet,
    route: &Route,
    position: usize,
    seen: &Seen,
) -> (RouteTaken, Outcome) {
    let place = place(position, route);
    match &*route.entry.action {
        Action::Redirect(redirect) => {
            let matched = &route.entry.matching.path;
            let location = location::location(redirect, matched, route.listener.port, seen);
            let mut outcome =
                Outcome::status(redirect.status.code(), "the client is sent elsewhere");
            outcome.location = Some(location);
            let taken = RouteTaken {
                place,
                filters: vec![words::action(&route.entry.action)],
                policies: Vec::new(),
                backends: Vec::new(),
            };
            (taken, outcome)
        }
        Action::Forward(forward) => {
            let backends = backends(chart, fleet, route, forward);
            let outcome = forwarded(forward, &backends, route, seen);
            let taken = RouteTaken {
                place,
                filters: words::filters(forward),
                policies: policy::of_route(route, forward),
                backends,
            };
            (taken, outcome)
        }
    }
}

fn backends(chart: &Chart, fleet: &Fleet, route: &Route, forward: &Forward) -> Vec<BackendTaken> {
    let all = forward.backends.iter();
    let sum: f64 = all.clone().map(|one| f64::from(one.weight)).sum();
    let taken = all.map(|one| {
        let cluster = cluster_name(&one.destination, &route.listener.tags);
        let weight = (one.weight, sum);
        let mut taken = backend(chart, fleet, &one.destination, &cluster, weight);
        let source = &route.listener.tags;
        let chosen = chart.policies().choose(source, &one.destination);
        taken.policies = policy::of_backend(&chosen, source, one.destination.tags());
        taken
    });
    taken.collect()
}

fn forwarded(forward: &Forward, backends: &[BackendTaken], route: &Route, seen: &Seen) -> Outcome {
    let path = match &forward.path {
        Some(rewrite) => {
            location::rewritten(&seen.target.path, &route.entry.matching.path, rewrite)
        }
        None => seen.target.path.clone(),
    };
    let what = format!("a backend answers; it gets path {path}");
    match served("requests", backends) {
        Served::Nowhere(why) => Outcome::status(503, why),
        Served::Somewhere(None) => Outcome::nothing(what),
        Served::Somewhere(Some(lost)) => {
            Outcome::nothing(format!("{what}; {lost}, the client gets 503"))
        }
    }
}
