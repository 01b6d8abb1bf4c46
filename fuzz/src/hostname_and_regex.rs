//! Hostnames, and regular expressions of paths.

use portolan_gateway::{
    layout::{self, Layout, Sizes},
    plan::{
        matching::{PathMatch, RouteMatch},
        route::{HttpRoute, Shared},
    },
};
use portolan_model::{
    Labels, Resource, ResourceKey, hostname::Hostname, kinds::MESH_GATEWAY_ROUTE,
};
use regex::RegexBuilder;
use serde_json::json;

/// Bytes that the compiled expression may take; beyond that it is not compared.
const REGEX_SIZE: usize = 1 << 16;

/// The text up to the first line break is a hostname or an expression, what follows is a host or a path.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (first, second) = text.split_once('\n').unwrap_or((text, ""));
    hostnames(first, second);
    expression(first, second);
}

/// A hostname is written as it is read, contains itself, and takes what it contains.
fn hostnames(first: &str, second: &str) {
    let Ok(host) = Hostname::parse(first) else {
        return;
    };
    assert_eq!(Hostname::parse(&host.to_string()), Ok(host.clone()));
    assert!(host.contains(&host));
    if let Ok(Hostname::Exact(other)) = Hostname::parse(second) {
        let exact = Hostname::Exact(other.clone());
        assert_eq!(host.contains(&exact), host.matches(&other));
    }
}

/// An expression that is taken is found wherever its path is looked for in a large table.
fn expression(pattern: &str, path: &str) {
    let Some(matching) = read(pattern) else {
        return;
    };
    let whole = RegexBuilder::new(&format!("^(?s:{pattern})$"))
        .size_limit(REGEX_SIZE)
        .build();
    let takes = whole.is_ok_and(|whole| whole.is_match(path));
    if !takes || path.contains('?') {
        return;
    }
    let mut routes: Vec<_> = (0..100).map(other).collect();
    routes.push(matching);
    let routes: Vec<_> = routes.iter().collect();
    let Layout::Tree(tree) = layout::arrange(&routes, |_| false, Sizes::default()) else {
        panic!("a table of paths that differ");
    };
    let list = tree.leaf(path).map_or(&tree.default, |leaf| &leaf.routes);
    assert!(list.contains(&100), "{pattern:?} {path:?}");
}

/// Routes that take no whole part of the table, so that no list ends before the expression.
fn other(number: usize) -> RouteMatch {
    RouteMatch {
        path: PathMatch::Exact(format!("/{}/{}", number % 7, number).into()),
        method: None,
        headers: Box::default(),
        query: Box::default(),
    }
}

/// The match of a rule with this expression, if it is taken.
fn read(pattern: &str) -> Option<RouteMatch> {
    let matches = json!([{"path": {"match": "REGEX", "value": pattern}}]);
    let redirect = json!([{"redirect": {"statusCode": 302}}]);
    let rule = json!({"matches": matches, "filters": redirect});
    let spec = MESH_GATEWAY_ROUTE
        .spec_from_json(&json!({"conf": {"http": {"rules": [rule]}}}))
        .expect("a spec");
    let resource = Resource {
        key: ResourceKey::in_mesh(MESH_GATEWAY_ROUTE, "default", "fuzzed"),
        labels: Labels::new(),
        spec,
        version: 1,
        revision: 1,
        created: jiff::Timestamp::UNIX_EPOCH,
        modified: jiff::Timestamp::UNIX_EPOCH,
    };
    let route = HttpRoute::read(&resource, &mut Shared::default())?;
    assert_ne!(route.entries.is_empty(), route.faults.is_empty());
    route.entries.first().map(|entry| entry.matching.clone())
}
