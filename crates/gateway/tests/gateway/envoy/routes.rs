//! What reaches the backend.

use std::fmt::Write;

use super::{
    backends,
    process::{self, Envoy},
};
use crate::support::view;

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
