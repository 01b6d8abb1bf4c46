//! The order in which routes are tried.

use crate::support::{compile, redirecting, routes_of, virtual_hosts, with_edge};

/// The order of routes, given by name, further fields, and matches.
fn order(routes: &[(&str, &str, &str)]) -> Vec<String> {
    let documents: String = routes
        .iter()
        .map(|(name, meta, matches)| {
            redirecting(name, "", matches).replace("type: M", &format!("{meta}\ntype: M"))
        })
        .collect();
    let hosts = virtual_hosts(&compile(&with_edge(&documents)), 8080);
    routes_of(&hosts[0])
}

/// Whether the first route comes before the second, whatever their names and ages.
fn goes_before(first: &str, second: &str) {
    for (early, late) in [("a", "b"), ("b", "a")] {
        let older = "creationTime: 2020-01-01T00:00:00Z";
        for (ours, theirs) in [(older, ""), ("", older)] {
            let order = order(&[(early, ours, first), (late, theirs, second)]);
            assert_eq!(order, [early, late], "{first} before {second}");
        }
    }
}

#[test]
fn by_specificity() {
    let exact = "[{path: {match: EXACT, value: /a}}]";
    let prefix = "[{path: {match: PREFIX, value: /a}}]";
    let regex = "[{path: {match: REGEX, value: /a/b/c/d}}]";
    goes_before(exact, "[{path: {match: PREFIX, value: /a/b/c/d}}]");
    goes_before(prefix, regex);
    goes_before("[{path: {match: EXACT, value: /b/c}}]", exact);
    goes_before("[{path: {match: PREFIX, value: /b/c}}]", prefix);
    goes_before(prefix, "[{path: {match: PREFIX, value: /}}]");
    goes_before(regex, "[{path: {match: REGEX, value: /.*}}]");
    // A match without path is one of PREFIX /.
    goes_before("[{method: GET}]", regex);
    goes_before(
        "[{path: {match: PREFIX, value: /}, method: GET}]",
        "[{headers: [{name: x, value: y}]}]",
    );
}

#[test]
fn conditions_beside_the_path_count_in_turn() {
    let with = |more: &str| format!("[{{path: {{match: PREFIX, value: /a}}, {more}}}]");
    let two_headers = "headers: [{name: x, match: PRESENT}, {name: y, match: ABSENT}]";
    let one_header = "headers: [{name: x, value: y}]";
    let two_queries = "queryParameters: [{name: x, value: y}, {name: z, match: REGEX, value: '.'}]";
    let one_query = "queryParameters: [{name: x, value: y}]";
    goes_before(&with("method: GET"), &with(two_headers));
    goes_before(&with(two_headers), &with(one_header));
    goes_before(&with(one_header), &with(two_queries));
    goes_before(&with(two_queries), &with(one_query));
    goes_before(&with(one_query), &with(""));
}

#[test]
fn by_path_where_specificity_is_equal() {
    goes_before(
        "[{path: {match: PREFIX, value: /a/b}}]",
        "[{path: {match: PREFIX, value: /a/c/}}]",
    );
}

#[test]
fn ties_are_decided_by_age_then_name_then_position() {
    let any = "[{path: {match: PREFIX, value: /}}]";
    let old = "creationTime: 2020-01-01T00:00:00Z";
    let new = "creationTime: 2021-01-01T00:00:00Z";
    assert_eq!(order(&[("a", new, any), ("b", old, any)]), ["b", "a"]);
    assert_eq!(order(&[("b", old, any), ("a", old, any)]), ["a", "b"]);
    // What its author called it counts, not the name that sync gave it.
    let called = "labels: {kuma.io/display-name: z}";
    assert_eq!(order(&[("a", called, any), ("b", "", any)]), ["b", "a"]);

    let twice = with_edge(
        "
type: MeshGatewayRoute
name: twice
selectors: [{match: {kuma.io/service: edge}}]
conf: {http: {rules: [
  {matches: [{path: {match: PREFIX, value: /}}], filters: [{redirect: {hostname: one, statusCode: 302}}]},
  {matches: [{path: {match: PREFIX, value: /}}], filters: [{redirect: {hostname: two, statusCode: 302}}]}
]}}
",
    );
    assert_eq!(
        routes_of(&virtual_hosts(&compile(&twice), 8080)[0]),
        ["one", "two"]
    );
}
