//! Which policies are for a route and for its backends, and why these.

use portolan_model::tags::Tags;

use super::answer::PolicyTaken;
use crate::plan::{
    action::Forward,
    policy::{Chosen, Scope, matching},
    table::Route,
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
    let why = |scope: &Scope| match &*forward.backends {
        [only] => matched(scope, &route.listener.tags, only.destination.tags()),
        several if of_one_service(several.iter().map(|backend| backend.destination.service())) => {
            "the oldest of those for its backends".to_owned()
        }
        _ if scope.is_for_all() => "for every service, so for all its backends".to_owned(),
        _ => "the oldest of those for its backends; none is for every service".to_owned(),
    };
    taken
        .map(|(kind, _, scope)| told(kind.name(), scope, why(scope)))
        .collect()
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
    let Some((from, to)) = matching::matched(scope, source, destination) else {
        return String::new();
    };
    format!("from {} to {}", text(from), text(to))
}

fn text(tags: &Tags) -> String {
    let pairs: Vec<_> = tags
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join(",")
}
