//! The virtual hosts of a port before and after, and their routes.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use super::{Change, HostDiff, RouteDiff, change, ports::Side};
use crate::{explain::words, plan::table::Route};

/// Most routes that are listed for one virtual host.
const MOST_ROUTES: usize = 200;

type List<'a> = &'a [Arc<Route>];

/// A virtual host by the hostname of its chain, where SNI chooses one, and its own.
type Name = (Option<String>, Arc<str>);

/// Hosts that come, go or have other routes: those there are in order, then those that are gone.
pub(super) fn hosts(before: Side<'_>, after: Side<'_>) -> Vec<HostDiff> {
    let (before, after) = (listed(before), listed(after));
    let mut gone: HashMap<&Name, List<'_>> = before
        .iter()
        .map(|(name, routes)| (name, *routes))
        .collect();
    let mut diffs: Vec<_> = after
        .iter()
        .map(|(name, routes)| host(name, gone.remove(name), Some(routes)))
        .collect();
    let gone = before.iter().filter(|(name, _)| gone.contains_key(name));
    diffs.extend(gone.map(|(name, routes)| host(name, Some(routes), None)));
    diffs.retain(|diff| diff.change != Change::Changed || !diff.routes.is_empty());
    diffs
}

fn listed(side: Side<'_>) -> Vec<(Name, List<'_>)> {
    let passages = side.unwrap_or_default().iter();
    let hosts = passages.flat_map(|passage| {
        let encrypted = passage.port.protocol.is_encrypted();
        let sni = encrypted.then(|| passage.chain.hostname.to_string());
        let hosts = passage.hosts();
        hosts.map(move |(host, routes)| ((sni.clone(), host.name.clone()), routes))
    });
    hosts.collect()
}

fn host((sni, hostname): &Name, before: Option<List<'_>>, after: Option<List<'_>>) -> HostDiff {
    let change = change(before, after);
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    let mut routes = routes(before, after);
    let more_routes = routes.len().saturating_sub(MOST_ROUTES);
    routes.truncate(MOST_ROUTES);
    HostDiff {
        hostname: hostname.to_string(),
        sni: sni.clone(),
        change,
        routes_before: before.len(),
        routes_after: after.len(),
        routes,
        more_routes,
    }
}

/// A MeshGatewayRoute and what it asks of a request: what makes a route the same before and after.
type Identity<'a> = (&'a str, String);

fn identity(route: &Route) -> Identity<'_> {
    (
        route.entry.author.name(),
        words::conditions(&route.entry.matching),
    )
}

fn routes(before: List<'_>, after: List<'_>) -> Vec<RouteDiff> {
    // Several may be the same in one resource; they are paired in their order.
    let mut old: HashMap<Identity<'_>, VecDeque<usize>> = HashMap::new();
    for (position, route) in before.iter().enumerate() {
        old.entry(identity(route)).or_default().push_back(position);
    }
    let mut kept = vec![false; before.len()];
    let mut diffs = Vec::new();
    for (position, route) in after.iter().enumerate() {
        let was = old.get_mut(&identity(route)).and_then(VecDeque::pop_front);
        let Some(was) = was else {
            diffs.push(told(Change::Added, position, route, None));
            continue;
        };
        kept[was] = true;
        let was = &before[was].entry.action;
        if **was != *route.entry.action {
            let was = words::action(was);
            diffs.push(told(Change::Changed, position, route, Some(was)));
        }
    }
    let gone = before
        .iter()
        .enumerate()
        .filter(|(position, _)| !kept[*position]);
    diffs.extend(gone.map(|(position, route)| told(Change::Removed, position, route, None)));
    // What goes stands before what takes its place.
    diffs.sort_by_key(|diff| (diff.position, diff.change != Change::Removed));
    diffs
}

fn told(change: Change, position: usize, route: &Route, was: Option<String>) -> RouteDiff {
    RouteDiff {
        change,
        position: position + 1,
        name: route.entry.author.display_name().to_owned(),
        rule: route.entry.rule,
        conditions: words::conditions(&route.entry.matching),
        action: words::action(&route.entry.action),
        was,
    }
}
