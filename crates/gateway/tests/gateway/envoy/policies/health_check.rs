//! HealthCheck: instances that fail checks get nothing until they are well again.

use std::{
    io::{Read, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{edge, eventually, members, policy};
use crate::{
    envoy::{
        backends,
        process::{Envoy, free_port},
        tcp,
    },
    support::view,
};

/// Often, so that the test need not wait; with one of two instances out, all requests go to the other.
const OFTEN: &str = "interval: 50ms, noTrafficInterval: 50ms, timeout: 2s, unhealthyThreshold: 1, \
                     healthyThreshold: 1, healthyPanicThreshold: 10";

/// A backend that passes checks while it is well: requests for `/health` with the right headers. It answers
/// everything else with its name.
fn checked(name: &'static str, well: &Arc<AtomicBool>) -> u16 {
    let well = well.clone();
    backends::answering(move |head| {
        let has = |line: &&str| head.iter().any(|other| other == line);
        let is_check =
            head[0] == "GET /health HTTP/1.1" && ["x-one: 1", "x-two: 2"].iter().all(has);
        let status = match (is_check, head[0].contains("/health")) {
            (true, _) if well.load(Ordering::Relaxed) => 204,
            (_, true) => 500,
            _ => 200,
        };
        Some(format!(
            "HTTP/1.1 {status} x\r\nx-backend: {name}\r\ncontent-length: 0\r\n\r\n"
        ))
    })
}

#[test]
fn an_instance_that_fails_checks_is_out_until_it_is_well() {
    let port = free_port();
    let (always, sometimes) = (
        Arc::new(AtomicBool::new(true)),
        Arc::new(AtomicBool::new(false)),
    );
    let ports = [checked("always", &always), checked("sometimes", &sometimes)];
    let conf = format!(
        "{{{OFTEN}, http: {{path: /health, expectedStatuses: [204], requestHeadersToAdd: [
          {{header: {{key: x-one, value: '1'}}}}, {{header: {{key: x-two, value: '2'}}, append: false}}
        ]}}}}"
    );
    let yaml = edge(port, &[("api", "http", &ports)]) + &policy("HealthCheck", "api", &conf);
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    let mut client = envoy.client();
    let mut answered_by = |name: &str| {
        let answers = (0..20).map(|_| client.send("GET", "any.test", "/api", &[]));
        answers
            .filter(|answer| answer.header("x-backend") == Some(name))
            .count()
    };
    assert!(eventually(|| answered_by("always") == 20));
    sometimes.store(true, Ordering::Relaxed);
    assert!(eventually(|| answered_by("sometimes") == 10));
    sometimes.store(false, Ordering::Relaxed);
    assert!(eventually(|| answered_by("always") == 20));
}

#[test]
fn without_enough_instances_all_get_requests_or_none() {
    let port = free_port();
    let never = Arc::new(AtomicBool::new(false));
    let ports = [checked("sick", &never)];
    let services = ["panic", "fail"].map(|name| (name, "http", &ports[..]));
    let check = "http: {path: /health}";
    let yaml = [
        edge(port, &services),
        policy("HealthCheck", "panic", &format!("{{{OFTEN}, {check}}}")),
        policy(
            "HealthCheck",
            "fail",
            &format!("{{{OFTEN}, {check}, failTrafficOnPanic: true}}"),
        ),
    ]
    .concat();
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    let mut client = envoy.client();
    let mut status = |path: &str| client.send("GET", "any.test", path, &[]).status;
    assert!(eventually(|| status("/fail") == 503));
    assert_eq!(status("/panic"), 200);
}

#[test]
fn bytes_are_sent_and_must_come_back() {
    let port = free_port();
    let ports = [backends::echo_bytes(), backends::says("no")];
    let backend = "{destination: {kuma.io/service: half}}";
    let yaml = [
        tcp::gateway(&format!("{{port: {port}, protocol: TCP}}")),
        tcp::route("route", "kuma.io/service: edge", backend),
        members(&[("half", "tcp", &ports)]),
        // `ping`, of which `p` and `ng` are enough.
        policy(
            "HealthCheck",
            "half",
            &format!("{{{OFTEN}, tcp: {{send: cGluZw==, receive: [cA==, bmc=]}}}}"),
        ),
    ]
    .concat();
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    let echoes = || {
        let connections = (0..20).map(|_| {
            let mut stream = envoy.connect();
            let _ = stream.write_all(b"word");
            let mut word = [0; 4];
            stream.read_exact(&mut word).is_ok() && word == *b"word"
        });
        connections.filter(|echoes| *echoes).count()
    };
    assert!(eventually(|| echoes() == 20));
}
