//! Retry of calls, and the waits between tries.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{edge, policy};
use crate::{
    envoy::{
        backends,
        process::{Envoy, free_port},
    },
    support::view,
};

// Statuses of calls.
const OK: u8 = 0;
const CANCELLED: u8 = 1;
const DEADLINE_EXCEEDED: u8 = 4;
const RESOURCE_EXHAUSTED: u8 = 8;
const INTERNAL: u8 = 13;
const UNAVAILABLE: u8 = 14;

const FAST: &str = "backOff: {baseInterval: 1ms, maxInterval: 2ms}";

/// When calls came.
type Seen = Arc<Mutex<Vec<Instant>>>;

/// A backend that gives two calls this status, the next one none, and so on; and when it was called.
fn failing_twice(status: u8) -> (u16, Seen) {
    let seen = Seen::default();
    let calls = seen.clone();
    let port = backends::of_grpc(move || {
        let mut calls = calls.lock().unwrap();
        calls.push(Instant::now());
        if calls.len().is_multiple_of(3) {
            OK
        } else {
            status
        }
    });
    (port, seen)
}

/// Service, its Retry, what its backend does twice, what the client gets, and how often the backend is asked.
const CASES: [(&str, &str, u8, u8, usize); 12] = [
    ("cancelled", "grpc: {numRetries: 5}", CANCELLED, OK, 3),
    (
        "exhausted",
        "grpc: {numRetries: 5}",
        RESOURCE_EXHAUSTED,
        OK,
        3,
    ),
    ("unavailable", "grpc: {numRetries: 5}", UNAVAILABLE, OK, 3),
    // Not by default.
    ("internal", "grpc: {numRetries: 5}", INTERNAL, INTERNAL, 1),
    (
        "deadline",
        "grpc: {numRetries: 5}",
        DEADLINE_EXCEEDED,
        DEADLINE_EXCEEDED,
        1,
    ),
    (
        "on-internal",
        "grpc: {numRetries: 5, retryOn: [internal]}",
        INTERNAL,
        OK,
        3,
    ),
    (
        "on-deadline",
        "grpc: {numRetries: 5, retryOn: [deadline_exceeded]}",
        DEADLINE_EXCEEDED,
        OK,
        3,
    ),
    (
        "on-cancelled",
        "grpc: {numRetries: 5, retryOn: [cancelled]}",
        CANCELLED,
        OK,
        3,
    ),
    (
        "on-exhausted",
        "grpc: {numRetries: 5, retryOn: [resource_exhausted]}",
        RESOURCE_EXHAUSTED,
        OK,
        3,
    ),
    (
        "on-unavailable",
        "grpc: {numRetries: 5, retryOn: [unavailable]}",
        UNAVAILABLE,
        OK,
        3,
    ),
    (
        "on-others",
        "grpc: {numRetries: 5, retryOn: [internal, cancelled]}",
        UNAVAILABLE,
        UNAVAILABLE,
        1,
    ),
    ("once", "grpc: {numRetries: 1}", UNAVAILABLE, UNAVAILABLE, 2),
];

#[test]
fn calls_are_tried_again_on_the_statuses_of_the_policy() {
    let port = free_port();
    let backends = CASES.map(|(_, _, status, ..)| failing_twice(status));
    let ports = backends.each_ref().map(|(port, _)| [*port]);
    let services: Vec<_> = CASES
        .iter()
        .zip(&ports)
        .map(|((name, ..), ports)| (*name, "grpc", &ports[..]))
        .collect();
    let retries = CASES.iter().map(|(name, conf, ..)| {
        let conf = conf.replace("numRetries", &format!("{FAST}, numRetries"));
        policy("Retry", name, &format!("{{{conf}}}"))
    });
    let yaml = edge(port, &services) + &retries.collect::<String>();
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    let mut client = envoy.client();
    for ((name, conf, _, expected, asked), (_, seen)) in CASES.iter().zip(&backends) {
        let answer = client.send("POST", "any.test", &format!("/{name}"), &[]);
        let status = answer.header("grpc-status").map(str::to_owned);
        assert_eq!(answer.status, 200, "{name}: {conf}");
        assert_eq!(status, Some(expected.to_string()), "{name}: {conf}");
        assert_eq!(seen.lock().unwrap().len(), *asked, "{name}: {conf}");
    }
}

#[test]
fn a_route_of_grpc_takes_what_is_said_for_grpc() {
    let port = free_port();
    let [said, unsaid] = [(); 2].map(|()| failing_twice(UNAVAILABLE));
    let ports = [[said.0], [unsaid.0]];
    let both = format!("{{http: {{numRetries: 5, {FAST}}}, grpc: {{numRetries: 5, {FAST}}}}}");
    let yaml = [
        edge(
            port,
            &[("said", "grpc", &ports[0]), ("unsaid", "grpc", &ports[1])],
        ),
        policy("Retry", "said", &both),
        policy("Retry", "unsaid", &both),
    ]
    .concat();
    let destination = "{kuma.io/service: said}}]\n";
    assert!(yaml.contains(destination));
    let yaml = yaml.replacen(
        destination,
        "{kuma.io/service: said, kuma.io/protocol: grpc}}]\n",
        1,
    );
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    let mut client = envoy.client();
    let mut status = |target: &str| {
        let answer = client.send("POST", "any.test", target, &[]);
        answer.header("grpc-status").map(str::to_owned)
    };
    assert_eq!(status("/said").as_deref(), Some("0"));
    // To HTTP the call went well.
    assert_eq!(status("/unsaid").as_deref(), Some("14"));
    assert_eq!(unsaid.1.lock().unwrap().len(), 1);
}

#[test]
fn waits_between_tries_are_of_random_length_and_as_long_as_the_policy_says() {
    let port = free_port();
    let (backend, seen) = failing_twice(UNAVAILABLE);
    let ports = [backend];
    let waits = "backOff: {baseInterval: 300ms, maxInterval: 300ms}";
    let yaml = [
        edge(port, &[("slow", "grpc", &ports)]),
        policy(
            "Retry",
            "slow",
            &format!("{{grpc: {{numRetries: 2, {waits}}}}}"),
        ),
    ]
    .concat();
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    let mut client = envoy.client();
    for _ in 0..10 {
        let answer = client.send("POST", "any.test", "/slow", &[]);
        assert_eq!(answer.header("grpc-status"), Some("0"));
    }
    let seen = seen.lock().unwrap();
    let waits: Vec<_> = seen
        .chunks_exact(3)
        .flat_map(|tries| tries.windows(2).map(|pair| pair[1] - pair[0]))
        .collect();
    assert_eq!(waits.len(), 20);
    // Twenty waits from 0 to 300 ms: 3 s together, less than 1.2 s once in some hundred thousand times. By
    // default they are of 25 and 75 ms at most.
    let all: Duration = waits.iter().sum();
    assert!(all > Duration::from_millis(1200), "{waits:?}");
    let (shortest, longest) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
    assert!(
        *longest - *shortest > Duration::from_millis(50),
        "{waits:?}"
    );
}
