//! Retry: backends count how often they are asked.

use std::{
    collections::BTreeMap,
    io::Read,
    sync::{Arc, Mutex},
};

use super::{edge, members, policy};
use crate::{
    envoy::{
        backends,
        process::{Envoy, free_port},
        tcp,
    },
    support::view,
};

/// How often each request line was seen.
type Seen = Arc<Mutex<BTreeMap<String, u32>>>;

/// A backend that gives the first two requests of each line what stands in its query, and nothing at all
/// for `silence`; and what it has seen.
fn failing_twice() -> (u16, Seen) {
    let seen = Seen::default();
    let counts = seen.clone();
    let port = backends::answering(move |head| {
        let line = &head[0];
        let target = line.split(' ').nth(1).unwrap();
        let count = {
            let mut counts = counts.lock().unwrap();
            let count = counts.entry(line.clone()).or_default();
            *count += 1;
            *count
        };
        let wanted = target.split_once('?').unwrap().1;
        match wanted {
            _ if count > 2 => Some("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()),
            "silence" => None,
            status => Some(format!(
                "HTTP/1.1 {status} Failed\r\ncontent-length: 0\r\n\r\n"
            )),
        }
    });
    (port, seen)
}

/// Service, method, what the backend does twice, status for the client, and how often the backend was
/// asked.
const CASES: [(&str, &str, &str, u16, u32); 12] = [
    // Without a policy.
    ("default", "GET", "503", 200, 3),
    ("default", "GET", "500", 500, 1),
    ("all", "GET", "500", 200, 3),
    ("all", "GET", "409", 409, 1),
    ("once", "GET", "503", 503, 2),
    ("statuses", "GET", "418", 200, 3),
    // What is retried by default still is.
    ("statuses", "GET", "503", 200, 3),
    ("methods", "GET", "503", 200, 3),
    ("methods", "POST", "503", 503, 1),
    ("tries", "GET", "silence", 200, 3),
    // A section for TCP leaves requests alone.
    ("tcp", "GET", "503", 200, 3),
    ("grpc", "GET", "503", 200, 3),
];

#[test]
fn what_fails_is_tried_again_as_often_as_the_policy_says() {
    let port = free_port();
    let (backend, seen) = failing_twice();
    let ports = [backend];
    let names = [
        "default", "all", "once", "statuses", "methods", "tries", "tcp", "grpc",
    ];
    let services = names.map(|name| (name, "http", &ports[..]));
    let fast = "backOff: {baseInterval: 1ms, maxInterval: 2ms}";
    let yaml = [
        edge(port, &services),
        policy(
            "Retry",
            "all",
            &format!("{{http: {{numRetries: 5, retryOn: [all_5xx], {fast}}}}}"),
        ),
        policy(
            "Retry",
            "once",
            &format!("{{http: {{numRetries: 1, {fast}}}}}"),
        ),
        policy(
            "Retry",
            "statuses",
            &format!("{{http: {{numRetries: 5, retriableStatusCodes: [418], {fast}}}}}"),
        ),
        policy(
            "Retry",
            "methods",
            &format!("{{http: {{numRetries: 5, retriableMethods: [PUT, GET], {fast}}}}}"),
        ),
        policy(
            "Retry",
            "tries",
            &format!("{{http: {{numRetries: 5, perTryTimeout: 100ms, {fast}}}}}"),
        ),
        policy("Retry", "tcp", "{tcp: {maxConnectAttempts: 1}}"),
        policy(
            "Retry",
            "grpc",
            &format!("{{grpc: {{numRetries: 5, {fast}}}}}"),
        ),
    ]
    .concat();
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    let mut client = envoy.client();
    for (service, method, failure, status, asked) in CASES {
        let target = format!("/{service}?{failure}");
        let answer = client.send(method, "any.test", &target, &[]);
        assert_eq!(answer.status, status, "{method} {target}");
        let line = format!("{method} {target} HTTP/1.1");
        assert_eq!(seen.lock().unwrap()[&line], asked, "{line}");
    }
}

#[test]
fn a_connection_is_tried_with_as_many_instances_as_the_policy_says() {
    let (once, often) = (free_port(), free_port());
    let listener = |port, tag| format!("{{port: {port}, protocol: TCP, tags: {{l: {tag}}}}}");
    // Nobody listens on port 1.
    let ports = [1, backends::says("word")];
    let backend = "{destination: {kuma.io/service: half}}";
    let yaml = [
        tcp::gateway(&format!(
            "{}, {}",
            listener(once, "once"),
            listener(often, "often")
        )),
        tcp::route("route", "kuma.io/service: edge", backend),
        members(&[("half", "tcp", &ports)]),
        "
---
type: Retry
name: once
sources: [{match: {kuma.io/service: edge, l: once}}]
destinations: [{match: {kuma.io/service: half}}]
conf: {tcp: {maxConnectAttempts: 1}}
---
type: Retry
name: often
sources: [{match: {kuma.io/service: edge, l: often}}]
destinations: [{match: {kuma.io/service: half}}]
conf: {tcp: {maxConnectAttempts: 4}}
"
        .to_owned(),
    ]
    .concat();
    let Some(envoy) = Envoy::start(&mut view(&yaml), often) else {
        return;
    };
    let words = |port| {
        let said = (0..20).filter(|_| {
            let mut stream = envoy.connect_to(port);
            let mut word = String::new();
            // Cut where no instance is left to try.
            let _ = stream.read_to_string(&mut word);
            word == "word"
        });
        said.count()
    };
    assert_eq!(words(often), 20);
    let some = words(once);
    assert!((1..20).contains(&some), "{some}");
}
