//! Which route takes a request, and what reaches the backend.

use std::{fmt::Write, net::TcpStream};

use portolan_gateway::plan::{
    entry::Entry,
    matching::RouteMatch,
    route::{HttpRoute, Shared},
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngSeed, TestRunner},
};
use serde_json::{Value, json};

use super::{
    backends, http,
    process::{self, Envoy},
};
use crate::{
    reference::{Request, ascii_path, first, pattern, request},
    support::{resource, view},
};

/// Virtual hosts with a random table each, and requests to each.
const HOSTS: usize = 40;
const REQUESTS: usize = 100;

/// A match in JSON: path, method, header and query, so that requests of [`request`] may meet it. Paths
/// have so many slashes or more: without short prefixes, expressions get their turn.
pub(super) fn random_match(slashes: usize) -> impl Strategy<Value = Value> {
    let deep = move |path: &String| path.matches('/').count() >= slashes;
    let path = prop_oneof![
        4 => ascii_path().prop_filter("deep", deep)
            .prop_map(|path| json!({"match": "PREFIX", "value": path})),
        4 => ascii_path().prop_filter("deep", deep)
            .prop_map(|path| json!({"match": "EXACT", "value": path})),
        1 => pattern().prop_map(|pattern| json!({"match": "REGEX", "value": pattern})),
    ];
    let header = prop::sample::select(vec![
        json!([{"name": "x-h", "match": "PRESENT"}]),
        json!([{"name": "x-h", "match": "ABSENT"}]),
        json!([{"name": "x-h", "value": "1"}]),
        json!([{"name": "x-h", "match": "REGEX", "value": "2+"}]),
    ]);
    let method = prop::option::weighted(0.3, Just("POST"));
    let header = prop::option::weighted(0.2, header);
    let query = prop::option::weighted(0.2, Just(json!([{"name": "q", "value": "1"}])));
    (path, method, header, query).prop_map(|(path, method, headers, query)| {
        let mut value = json!({ "path": path });
        for (field, content) in [
            ("method", method.map(Value::from)),
            ("headers", headers),
            ("queryParameters", query),
        ] {
            if let Some(content) = content {
                value[field] = content;
            }
        }
        value
    })
}

/// A route for one host, whose rules redirect to the rule's own number.
pub(super) fn route(host: usize, matches: &[Value]) -> Value {
    let rules: Vec<_> = matches
        .iter()
        .enumerate()
        .map(|(rule, matching)| {
            let redirect = json!({"hostname": format!("rule-{rule}"), "statusCode": 302});
            json!({"matches": [matching], "filters": [{"redirect": redirect}]})
        })
        .collect();
    json!({
        "type": "MeshGatewayRoute",
        "name": format!("route-{host}"),
        "selectors": [{"match": {"kuma.io/service": "edge"}}],
        "conf": {"http": {"hostnames": [format!("host-{host}.test")], "rules": rules}},
    })
}

#[test]
fn random_tables_choose_as_the_reference() {
    let port = process::free_port();
    let mut view = view(&process::edge(port));
    let config = Config {
        rng_seed: RngSeed::Fixed(42),
        ..Config::default()
    };
    let mut random = TestRunner::new(config);
    let mut tables: Vec<Vec<(u32, RouteMatch)>> = Vec::new();
    for host in 0..HOSTS {
        let matches = prop::collection::vec(random_match(1 + host % 3), 1..250);
        let matches = matches.new_tree(&mut random).unwrap().current();
        let resource = std::sync::Arc::new(resource(route(host, &matches)));
        let mut entries = HttpRoute::read(&resource, &mut Shared::default())
            .unwrap()
            .entries
            .into_vec();
        entries.sort();
        let table = |entry: std::sync::Arc<Entry>| (entry.rule, entry.matching.clone());
        tables.push(entries.into_iter().map(table).collect());
        view.put(&resource);
    }
    let Some(envoy) = Envoy::start(&mut view, port) else {
        return;
    };

    let mut client = envoy.client();
    let mut taken = 0;
    for (host, table) in tables.iter().enumerate() {
        let requests = prop::collection::vec(request(ascii_path()), REQUESTS);
        for request in requests.new_tree(&mut random).unwrap().current() {
            let expected = first(table.iter().map(|(_, matching)| matching), &request);
            let expected = expected.map(|position| format!("rule-{}", table[position].0));
            let chosen = chosen(&mut client, &format!("host-{host}.test"), &request);
            assert_eq!(chosen, expected, "{request:?} among {table:#?}");
            taken += usize::from(chosen.is_some());
        }
    }
    assert!(
        taken > HOSTS * REQUESTS / 4,
        "only {taken} requests were taken at all"
    );
}

/// The host that the answer redirects to, if any.
fn chosen(client: &mut http::Client<TcpStream>, host: &str, request: &Request) -> Option<String> {
    let headers: Vec<_> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let answer = client.send(request.method, host, &request.target(), &headers);
    answer.redirected_to().map(str::to_owned)
}

/// What is at the end of `filters` in a rule for this path.
pub(super) fn forwarding(path: &str, value: &str, filters: &str) -> String {
    format!(
        "  - matches: [{{path: {{match: {path}, value: '{value}'}}}}]
    filters: [{filters}]
    backends: [{{destination: {{kuma.io/service: echo}}}}]
"
    )
}

#[test]
fn requests_reach_backends_as_the_filters_say() {
    let port = process::free_port();
    let mut yaml = process::edge(port);
    let _ = write!(
        yaml,
        "
---
type: Dataplane
name: echo
networking: {{address: 127.0.0.1, inbound: [{{port: {}, tags: {{kuma.io/service: echo}}}}]}}
---
type: MeshGatewayRoute
name: echo
selectors: [{{match: {{kuma.io/service: edge}}}}]
conf:
 http:
  hostnames: [echo.test]
  rules:
",
        backends::echo_http()
    );
    let headers = "{requestHeader: {set: [{name: x-set, value: a%%}, {name: host, value: inner}], \
                   add: [{name: x-add, value: '%PROTOCOL%'}], remove: [x-gone]}}";
    let yaml = yaml
        + &forwarding("PREFIX", "/p", "{rewrite: {replacePrefixMatch: /new/}}")
        + &forwarding("PREFIX", "/base", "{rewrite: {replacePrefixMatch: /}}")
        + &forwarding("PREFIX", "/do.t", "{rewrite: {replacePrefixMatch: ''}}")
        + &forwarding("EXACT", "/exact", "{rewrite: {replacePrefixMatch: /new}}")
        + &forwarding("PREFIX", "/full", "{rewrite: {replaceFull: '/whole\\1'}}")
        + &forwarding("PREFIX", "/headers", headers)
        + &forwarding("PREFIX", "/", "{rewrite: {replacePrefixMatch: /all}}");
    let mut view = view(&yaml);
    assert!(
        view.compile(&crate::support::dataplane("gateway"))
            .unwrap()
            .faults
            .is_empty()
    );
    let Some(envoy) = Envoy::start(&mut view, port) else {
        return;
    };

    let mut client = envoy.client();
    for (sent, received) in [
        ("/p", "/new"),
        ("/p/", "/new/"),
        ("/p/x?y=1", "/new/x?y=1"),
        ("/px", "/all/px"),
        ("/base", "/"),
        ("/base/", "/"),
        ("/base/x/?y", "/x/?y"),
        ("/do.t/x", "/x"),
        ("/doXt/x", "/all/doXt/x"),
        ("/exact?y", "/new?y"),
        ("/exact/", "/all/exact/"),
        ("/full/x?y", "/whole\\1?y"),
        ("/", "/all"),
        ("/?y", "/all?y"),
        ("/x/", "/all/x/"),
    ] {
        let answer = client.send("GET", "echo.test:80", sent, &[]);
        assert_eq!(answer.status, 200, "{sent}");
        assert!(
            answer.body.starts_with(&format!("GET {received} HTTP")),
            "{sent}: {}",
            answer.body
        );
        assert_eq!(answer.header("server"), Some("Portolan"));
    }

    let sent = [
        ("x-kuma-tags", "forged"),
        ("x-add", "own"),
        ("x-gone", "1"),
        ("x-set", "own"),
    ];
    let answer = client.send("GET", "echo.test", "/headers", &sent);
    let lines: Vec<_> = answer.body.lines().collect();
    for line in [
        "host: inner",
        "x-set: a%",
        "x-add: own",
        "x-add: HTTP/1.1",
        "x-kuma-tags: &kuma.io/service=edge&&kuma.io/zone=east&",
    ] {
        assert!(lines.contains(&line), "{line} in {}", answer.body);
    }
    assert!(!answer.body.contains("x-gone") && !answer.body.contains("forged"));

    assert_eq!(client.send("GET", "elsewhere.test", "/", &[]).status, 404);
    let empty = client.send("GET", "empty.test", "/x", &[]);
    assert_eq!(empty.status, 404);
    assert_eq!(
        empty.body,
        "This is a Portolan MeshGateway. No routes match this MeshGateway!\n"
    );
    assert_eq!(client.send("GET", "lonely.test", "/x", &[]).status, 503);
}
