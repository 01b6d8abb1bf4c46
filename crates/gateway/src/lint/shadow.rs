//! Whether an entry ever takes a request, or others take all of its requests before it.
//!
//! Sound, not complete: what is called shadowed is; of what is shadowed some is not found.

use std::sync::Arc;

use portolan_model::hostname::Hostname;

use super::spots::hosts;
use crate::{
    chart::Chart,
    plan::{
        entry::Entry,
        literal_prefix,
        matching::{HeaderCondition, HeaderMatch, PathMatch, RouteMatch},
        port::Listener,
        route::HttpRoute,
    },
};

/// Most entries that one is compared with at one spot, so that thousands of routes for one path cost no
/// more than these.
const MOST_CANDIDATES: usize = 64;

/// The entry of another rule that takes all requests of this one before it, on every host of its route.
/// If several do so together, the last one looked at.
pub(super) fn shadower<'a>(
    chart: &'a Chart,
    route: &HttpRoute,
    entry: &Entry,
    bound: &[&Arc<Listener>],
) -> Option<&'a Arc<Entry>> {
    let mut found = None;
    for host in hosts(route) {
        found = Some(on_host(chart, host, entry, bound)?);
    }
    found
}

fn on_host<'a>(
    chart: &'a Chart,
    host: Option<&Hostname>,
    entry: &Entry,
    bound: &[&Arc<Listener>],
) -> Option<&'a Arc<Entry>> {
    let takes_all = |other: &&Arc<Entry>| {
        let another = other.author != entry.author || other.rule != entry.rule;
        let wherever = || {
            let route = chart.routes.get(other.author.name());
            route.is_some_and(|route| bound.iter().all(|listener| route.selects(&listener.tags)))
        };
        another && ***other < *entry && is_implied(&other.matching, &entry.matching) && wherever()
    };
    let paths = wider_paths(&entry.matching.path);
    let around = around(host);
    around.into_iter().find_map(|host| {
        paths.iter().find_map(|path| {
            let spot = (host.clone(), path.clone());
            chart.spots.at(&spot).take(MOST_CANDIDATES).find(takes_all)
        })
    })
}

/// The hostnames that take at least all requests of this one, itself among them.
fn around(host: Option<&Hostname>) -> Vec<Option<Hostname>> {
    let mut around = vec![host.cloned()];
    let name = match host {
        Some(Hostname::Exact(name) | Hostname::Wildcard(name)) => &**name,
        Some(Hostname::Any) | None => "",
    };
    let mut rest = name;
    while let Some((_, suffix)) = rest.split_once('.') {
        around.push(Some(Hostname::Wildcard(suffix.into())));
        rest = suffix;
    }
    if host != Some(&Hostname::Any) {
        around.push(Some(Hostname::Any));
    }
    around
}

/// The paths that take at least all requests of this one and are tried no later, itself among them. A longer
/// PREFIX and every EXACT path goes before what is wider, so only expressions can be overtaken.
fn wider_paths(path: &PathMatch) -> Vec<PathMatch> {
    let mut wider = vec![path.clone()];
    if let PathMatch::Regex(pattern) = path {
        wider.push(PathMatch::Prefix("/".into()));
        let literal = literal_prefix(pattern);
        let folders = literal.match_indices('/').map(|(end, _)| &literal[..end]);
        let folders = folders.filter(|folder| !folder.is_empty());
        wider.extend(folders.map(|folder| PathMatch::Prefix(folder.into())));
    }
    wider
}

/// Whether every request for which `narrow` holds fulfils `wide`, but for the path.
fn is_implied(wide: &RouteMatch, narrow: &RouteMatch) -> bool {
    let header = |wanted: &HeaderMatch| {
        narrow
            .headers
            .iter()
            .any(|given| header_implies(given, wanted))
    };
    (wide.method.is_none() || wide.method == narrow.method)
        && wide.headers.iter().all(header)
        && wide
            .query
            .iter()
            .all(|wanted| narrow.query.contains(wanted))
}

fn header_implies(given: &HeaderMatch, wanted: &HeaderMatch) -> bool {
    let present = matches!(given.condition, HeaderCondition::Value(_))
        && wanted.condition == HeaderCondition::Present;
    given.name.eq_ignore_ascii_case(&wanted.name)
        && (present || given.condition == wanted.condition)
}
