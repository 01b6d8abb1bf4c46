//! Timeout: a backend that says nothing is waited for as long as the policy says. Every default is longer
//! than these tests have patience, or gives another answer.

use std::io::Read;

use super::{edge, members, policy};
use crate::{
    envoy::{
        backends,
        process::{Envoy, free_port},
    },
    support::view,
};

/// Service, what its Timeout says, and status and body for a request that is never answered.
const CASES: [(&str, &str, u16, &str); 4] = [
    (
        "request",
        "{http: {requestTimeout: 0.1s}}",
        504,
        "upstream request timeout",
    ),
    (
        "silence",
        "{http: {streamIdleTimeout: 0.1s}}",
        504,
        "stream timeout",
    ),
    (
        "whole",
        "{http: {maxStreamDuration: 0.1s}}",
        504,
        "upstream max stream duration reached",
    ),
    // Every service has a Timeout of its own.
    (
        "longer",
        "{http: {requestTimeout: 0.3s}}",
        504,
        "upstream request timeout",
    ),
];

#[test]
fn an_answer_that_does_not_come_is_not_waited_for_longer() {
    let port = free_port();
    let silent = backends::answering(|_| None);
    let services: Vec<_> = CASES
        .iter()
        .map(|(name, ..)| (*name, "http", std::slice::from_ref(&silent)))
        .collect();
    let policies: String = CASES
        .iter()
        .map(|(name, conf, ..)| policy("Timeout", name, conf))
        .collect();
    let mut view = view(&format!("{}{policies}", edge(port, &services)));
    let Some(envoy) = Envoy::start(&mut view, port) else {
        return;
    };
    for (name, _, status, body) in CASES {
        let answer = envoy
            .client()
            .send("GET", "a.test", &format!("/{name}"), &[]);
        assert_eq!((answer.status, &*answer.body), (status, body), "{name}");
    }
}

#[test]
fn a_connection_without_a_byte_is_closed() {
    let port = free_port();
    let echo = backends::echo_bytes();
    let mut view = view(&format!(
        "
type: Dataplane
name: gateway
networking:
  address: 127.0.0.1
  gateway: {{type: BUILTIN, tags: {{kuma.io/service: edge}}}}
---
type: MeshGateway
name: edge
selectors: [{{match: {{kuma.io/service: edge}}}}]
conf: {{listeners: [{{port: {port}, protocol: TCP}}]}}
---
type: MeshGatewayRoute
name: route
selectors: [{{match: {{kuma.io/service: edge}}}}]
conf: {{tcp: {{rules: [{{backends: [{{destination: {{kuma.io/service: db}}}}]}}]}}}}
{}{}",
        members(&[("db", "tcp", &[echo])]),
        policy("Timeout", "db", "{tcp: {idleTimeout: 0.1s}}")
    ));
    let Some(envoy) = Envoy::start(&mut view, port) else {
        return;
    };
    let mut connection = envoy.connect();
    assert_eq!(connection.read(&mut [0]).unwrap(), 0, "closed by Envoy");
}
