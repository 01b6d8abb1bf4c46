//! HTTPS listeners.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    backends,
    client::shake_hands,
    http::Client,
    process::{Envoy, PATIENCE, free_port},
};
use crate::{
    certificates::Certificate,
    support::{dataplane, resources, view},
};

/// A gateway with these listeners on a port, whose routes take everything to a backend that echoes.
pub(super) fn gateway(port: u16, listeners: &[(&str, &str)]) -> String {
    let listeners: String = listeners
        .iter()
        .map(|(host, secret)| {
            format!(
                "  - {{port: {port}, protocol: HTTPS, hostname: '{host}', tls: {{mode: TERMINATE, \
                 certificates: [{{secret: {secret}}}]}}}}\n"
            )
        })
        .collect();
    format!(
        "
type: Dataplane
name: gateway
networking:
  address: 127.0.0.1
  gateway: {{type: BUILTIN, tags: {{kuma.io/service: edge}}}}
---
type: Dataplane
name: echo
networking: {{address: 127.0.0.1, inbound: [{{port: {}, tags: {{kuma.io/service: echo}}}}]}}
---
type: MeshGatewayRoute
name: echo
selectors: [{{match: {{kuma.io/service: edge}}}}]
conf: {{http: {{rules: [{{
  matches: [{{path: {{match: PREFIX, value: /}}}}],
  backends: [{{destination: {{kuma.io/service: echo}}}}]
}}]}}}}
---
type: MeshGateway
name: edge
selectors: [{{match: {{kuma.io/service: edge}}}}]
conf:
  listeners:
{listeners}",
        backends::echo_http()
    )
}

#[test]
fn each_host_shows_its_own_certificate_and_serves_its_own_requests() {
    let (a, wild) = (
        Certificate::for_host("a.test"),
        Certificate::for_host("*.wild.test"),
    );
    let port = free_port();
    let yaml = gateway(port, &[("a.test", "a"), ("*.wild.test", "wild")])
        + &a.secret("a")
        + &wild.secret("wild");
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };

    for (host, certificate) in [("a.test", &a), ("x.wild.test", &wild)] {
        let stream = shake_hands(envoy.connect(), host, &["http/1.1"], certificate).unwrap();
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        let mut client = Client::new(stream);
        let answer = client.send("GET", host, "/x", &[]);
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.header("strict-transport-security"),
            Some("max-age=31536000; includeSubDomains")
        );
        // The chain decides: another chain's host is none of this connection's.
        assert_eq!(client.send("GET", "elsewhere.test", "/x", &[]).status, 404);
    }
    let stream = shake_hands(envoy.connect(), "a.test", &["h2", "http/1.1"], &a).unwrap();
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));

    assert!(shake_hands(envoy.connect(), "unknown.test", &[], &a).is_err());
    // An address is no SNI.
    assert!(shake_hands(envoy.connect(), "127.0.0.1", &[], &a).is_err());
}

#[test]
fn a_host_without_certificate_is_closed_and_the_others_serve() {
    let any = Certificate::for_host("b.test");
    let port = free_port();
    let yaml = gateway(port, &[("a.test", "missing"), ("*", "any")]) + &any.secret("any");
    let mut view = view(&yaml);
    let Some(envoy) = Envoy::start(&mut view, port) else {
        return;
    };

    let stream = shake_hands(envoy.connect(), "b.test", &[], &any).unwrap();
    assert_eq!(
        Client::new(stream).send("GET", "b.test", "/", &[]).status,
        200
    );
    assert!(shake_hands(envoy.connect(), "a.test", &[], &any).is_err());
}

#[test]
fn a_replaced_certificate_is_shown_and_open_connections_go_on() {
    let (old, new) = (
        Certificate::for_host("a.test"),
        Certificate::for_host("a.test"),
    );
    let port = free_port();
    let mut view = view(&(gateway(port, &[("a.test", "a")]) + &old.secret("a")));
    let Some(envoy) = Envoy::start(&mut view, port) else {
        return;
    };
    let stream = shake_hands(envoy.connect(), "a.test", &[], &old).unwrap();
    let mut open = Client::new(stream);
    assert_eq!(open.send("GET", "a.test", "/", &[]).status, 200);

    for resource in resources(&new.secret("a")) {
        view.put(&resource);
    }
    envoy.replace_certificates(&view.compile(&dataplane("gateway")).unwrap());

    let started = Instant::now();
    while shake_hands(envoy.connect(), "a.test", &[], &new).is_err() {
        assert!(started.elapsed() < PATIENCE, "still the old certificate");
        thread::sleep(Duration::from_millis(20));
    }
    assert!(shake_hands(envoy.connect(), "a.test", &[], &old).is_err());
    assert_eq!(open.send("GET", "a.test", "/", &[]).status, 200);
}
