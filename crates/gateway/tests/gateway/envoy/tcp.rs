//! TCP listeners.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use super::{
    backends,
    process::{Envoy, PATIENCE, free_port},
};
use crate::support::view;

/// A gateway with these listeners.
pub(super) fn gateway(listeners: &str) -> String {
    format!(
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
conf: {{listeners: [{listeners}]}}
"
    )
}

/// An instance of a service that is called as the service.
pub(super) fn member(service: &str, port: u16) -> String {
    format!(
        "---
type: Dataplane
name: {service}
networking: {{address: 127.0.0.1, inbound: [{{port: {port}, tags: {{kuma.io/service: {service}}}}}]}}
"
    )
}

/// A TCP route to these backends.
pub(super) fn route(name: &str, selector: &str, backends: &str) -> String {
    format!(
        "---
type: MeshGatewayRoute
name: {name}
selectors: [{{match: {{{selector}}}}}]
conf: {{tcp: {{rules: [{{backends: [{backends}]}}]}}}}
"
    )
}

#[test]
fn connections_are_shared_by_weight_and_the_server_may_speak_first() {
    let port = free_port();
    let backends = "{destination: {kuma.io/service: three}, weight: 3}, \
                    {destination: {kuma.io/service: one}, weight: 1}, \
                    {destination: {kuma.io/service: none}, weight: 0}";
    let yaml = gateway(&format!("{{port: {port}, protocol: TCP}}"))
        + &member("three", backends::says("three"))
        + &member("one", backends::says("one"))
        + &member("none", backends::says("none"))
        + &route("shared", "kuma.io/service: edge", backends);
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };

    let mut threes = 0;
    for _ in 0..400 {
        let mut word = String::new();
        let mut stream = envoy.connect();
        stream.read_to_string(&mut word).unwrap();
        match word.as_str() {
            "three" => threes += 1,
            "one" => {}
            other => panic!("{other:?}"),
        }
    }
    // 300 are expected; eight standard deviations away is no chance.
    assert!((230..370).contains(&threes), "{threes} of 400");
}

#[test]
fn a_port_takes_no_more_connections_than_it_may() {
    let port = free_port();
    let listener = format!("{{port: {port}, protocol: TCP, resources: {{connectionLimit: 2}}}}");
    let yaml = gateway(&listener)
        + &member("echo", backends::echo_bytes())
        + &route(
            "echo",
            "kuma.io/service: edge",
            "{destination: {kuma.io/service: echo}}",
        );
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };

    let mut held: Vec<TcpStream> = Vec::new();
    let started = Instant::now();
    // The connection that waited for Envoy may still count for a moment.
    while held.len() < 2 {
        assert!(started.elapsed() < PATIENCE, "no two connections");
        let mut stream = envoy.connect();
        if echoes(&mut stream) {
            held.push(stream);
        } else {
            thread::sleep(Duration::from_millis(20));
        }
    }
    assert!(!echoes(&mut envoy.connect()), "a third connection");
    assert!(held.iter_mut().all(echoes));
}

fn echoes(stream: &mut TcpStream) -> bool {
    let mut answer = [0; 5];
    stream.write_all(b"hello").is_ok() && stream.read_exact(&mut answer).is_ok()
}
