//! External services through a real Envoy.

use super::{
    backends,
    process::{Envoy, edge, free_port},
};
use crate::support::view;

/// An ExternalService at a host and a port, with more of `networking`.
pub(super) fn external(name: &str, service: &str, address: &str, more: &str) -> String {
    format!(
        "---
type: ExternalService
name: {name}
tags: {{kuma.io/service: {service}, kuma.io/protocol: http}}
networking: {{address: '{address}', {more}}}
"
    )
}

/// A route of everything under `/NAME` to a service of that name.
pub(super) fn route(name: &str) -> String {
    format!(
        "---
type: MeshGatewayRoute
name: {name}
selectors: [{{match: {{kuma.io/service: edge}}}}]
conf: {{http: {{hostnames: [a.test], rules: [{{
  matches: [{{path: {{match: PREFIX, value: /{name}}}}}],
  backends: [{{destination: {{kuma.io/service: {name}}}}}]
}}]}}}}
"
    )
}

fn permission(name: &str, source: &str, destination: &str) -> String {
    format!(
        "---
type: TrafficPermission
name: {name}
sources: [{{match: {{kuma.io/service: '{source}'}}}}]
destinations: [{{match: {{kuma.io/service: '{destination}'}}}}]
"
    )
}

#[test]
fn an_external_service_gets_the_request_as_it_came_and_nothing_of_the_mesh() {
    let port = free_port();
    let yaml = edge(port)
        + &route("bank")
        + &external(
            "bank",
            "bank",
            &format!("127.0.0.1:{}", backends::echo_http()),
            "",
        )
        + &route("shop")
        + &format!(
            "---
type: Dataplane
name: shop
networking: {{address: 127.0.0.1, inbound: [{{port: {}, tags: {{kuma.io/service: shop}}}}]}}
",
            backends::echo_http()
        );
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    let mut client = envoy.client();
    let headers = [("x-kuma-tags", "&kuma.io/service=admin&"), ("x-own", "1")];

    let outside = client.send("GET", "a.test", "/bank/x", &headers);
    assert_eq!(outside.status, 200);
    let mut lines = outside.body.lines();
    assert_eq!(lines.next(), Some("GET /bank/x HTTP/1.1"));
    assert!(outside.body.contains("host: a.test"), "{}", outside.body);
    assert!(outside.body.contains("x-own: 1"), "{}", outside.body);
    assert!(!outside.body.contains("x-kuma-tags"), "{}", outside.body);

    let inside = client.send("GET", "a.test", "/shop/x", &headers);
    let tags = "x-kuma-tags: &kuma.io/service=edge&&kuma.io/zone=east&";
    assert!(inside.body.contains(tags), "{}", inside.body);
}

#[test]
fn a_delegated_gateway_tells_external_services_nothing_of_the_mesh_either() {
    let port = free_port();
    let yaml = format!(
        "
type: Dataplane
name: gateway
networking:
  address: 127.0.0.1
  gateway: {{type: DELEGATED, tags: {{kuma.io/service: kong}}}}
  outbound: [{{port: {port}, tags: {{kuma.io/service: bank}}}}]
"
    ) + &external(
        "bank",
        "bank",
        &format!("127.0.0.1:{}", backends::echo_http()),
        "",
    );
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    let answer = envoy.client().send("GET", "a.test", "/", &[]);
    assert_eq!(answer.status, 200);
    assert!(!answer.body.contains("x-kuma-tags"), "{}", answer.body);
}

#[test]
fn addresses_and_names_serve_together() {
    let port = free_port();
    let (by_address, by_name) = (
        backends::named_http("address"),
        backends::named_http("name"),
    );
    let yaml = edge(port)
        + &route("bank")
        + &external("one", "bank", &format!("127.0.0.1:{by_address}"), "")
        + &external("two", "bank", &format!("localhost:{by_name}"), "");
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    let mut client = envoy.client();
    // Whichever was looked up first begins alone.
    let mut asked = 0;
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 2 {
        assert!(asked < 5_000, "{seen:?}");
        asked += 1;
        let answer = client.send("GET", "a.test", "/bank", &[]);
        seen.extend(answer.header("x-backend").map(str::to_owned));
    }
    assert!(
        seen.contains("address") && seen.contains("name"),
        "{seen:?}"
    );
}

#[test]
fn a_permission_decides_what_may_be_reached() {
    let port = free_port();
    let echo = |name: &str| {
        let address = format!("127.0.0.1:{}", backends::echo_http());
        route(name) + &external(name, name, &address, "")
    };
    let yaml = edge(port)
        + &echo("open")
        + &echo("vault")
        + &echo("bank")
        + &permission("all", "*", "open")
        + &permission("vault", "office", "vault")
        + &permission("bank", "edge", "bank");
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    let mut client = envoy.client();
    let mut status = |path| client.send("GET", "a.test", path, &[]).status;
    assert_eq!(status("/open"), 200);
    assert_eq!(status("/vault"), 503);
    assert_eq!(status("/bank"), 200);
}
