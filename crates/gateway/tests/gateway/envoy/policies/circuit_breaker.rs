//! CircuitBreaker: what is above a limit is answered by the gateway, and instances that fail get nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use super::{edge, eventually, policy};
use crate::{
    envoy::{
        backends,
        http::Client,
        process::{Envoy, PATIENCE, free_port},
    },
    support::view,
};

const OK: &str = "HTTP/1.1 200 OK\r\nx-backend: b\r\ncontent-length: 0\r\n\r\n";

/// Limits of each service that are reached with requests, of which the first is never answered. In the third,
/// the second waits for the connection of the first.
const LIMITS: [(&str, &str, usize); 3] = [
    ("no-requests", "{maxPendingRequests: 0}", 0),
    ("one-request", "{maxRequests: 1}", 1),
    (
        "one-connection",
        "{maxConnections: 1, maxPendingRequests: 1}",
        2,
    ),
];

#[test]
fn what_is_above_a_limit_is_answered_at_once() {
    let port = free_port();
    let (arrived, arrives) = mpsc::channel();
    let backend = backends::answering(move |_| {
        let _ = arrived.send(());
        None
    });
    let ports = [backend];
    let services = LIMITS.map(|(name, ..)| (name, "http", &ports[..]));
    let policies = LIMITS.map(|(name, limits, _)| {
        policy("CircuitBreaker", name, &format!("{{thresholds: {limits}}}"))
    });
    let yaml = edge(port, &services) + &policies.concat();
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    for (name, _, held) in LIMITS {
        let (answered, answers) = mpsc::channel();
        for number in 0..=held {
            let stream = envoy.connect();
            let answered = answered.clone();
            thread::spawn(move || {
                let mut client = Client::new(stream);
                let answer = client.send("GET", "any.test", &format!("/{name}"), &[]);
                let _ = answered.send(answer);
            });
            if number == 0 && held > 0 {
                arrives.recv_timeout(PATIENCE).unwrap();
            }
        }
        // All others wait for good.
        let answer = answers.recv_timeout(PATIENCE).expect(name);
        assert_eq!(answer.status, 503, "{name}");
        assert_eq!(answer.header("x-envoy-overloaded"), Some("true"), "{name}");
        assert_eq!(answer.header("x-backend"), None, "{name}");
    }
}

#[test]
fn no_more_retries_than_the_limit() {
    let port = free_port();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    let backend = backends::answering(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Some("HTTP/1.1 503 Failed\r\ncontent-length: 0\r\n\r\n".to_owned())
    });
    let ports = [backend];
    let yaml = [
        edge(port, &[("api", "http", &ports)]),
        policy("CircuitBreaker", "api", "{thresholds: {maxRetries: 0}}"),
    ]
    .concat();
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    let answer = envoy.client().send("GET", "any.test", "/api", &[]);
    assert_eq!((answer.status, count.load(Ordering::Relaxed)), (503, 1));
}

/// Services of two instances, one of which fails in some way, and the detectors that eject it.
const DETECTORS: [(&str, &str); 5] = [
    ("total", "totalErrors: {consecutive: 3}"),
    ("gateway", "gatewayErrors: {consecutive: 3}"),
    ("refused", "localErrors: {consecutive: 3}"),
    (
        "often",
        "failure: {requestVolume: 3, minimumHosts: 2, threshold: 50}",
    ),
    (
        "deviating",
        "standardDeviation: {requestVolume: 3, minimumHosts: 2, factor: 0.5}",
    ),
];

#[test]
fn instances_that_fail_get_nothing() {
    let port = free_port();
    let well = backends::answering(|_| Some(OK.to_owned()));
    let failing = backends::answering(|head| {
        let status = if head[0].contains("/gateway") {
            502
        } else {
            500
        };
        Some(format!(
            "HTTP/1.1 {status} Failed\r\ncontent-length: 0\r\n\r\n"
        ))
    });
    let (answering, refusing) = ([well, failing], [well, 1]);
    let mut services: Vec<_> = DETECTORS
        .iter()
        .map(|(name, _)| match *name {
            "refused" => (*name, "http", &refusing[..]),
            name => (name, "http", &answering[..]),
        })
        .collect();
    services.push(("few", "http", &answering));
    services.push(("kept", "http", &answering));
    let mut yaml = edge(port, &services);
    for (name, detector) in DETECTORS {
        let split = name == "refused";
        let conf = format!(
            "{{interval: 200ms, baseEjectionTime: 1h, maxEjectionPercent: 50, \
             splitExternalAndLocalErrors: {split}, detectors: {{{detector}}}}}"
        );
        yaml += &policy("CircuitBreaker", name, &conf);
    }
    // Without a percentage, one of few.
    yaml += &policy(
        "CircuitBreaker",
        "few",
        "{detectors: {totalErrors: {consecutive: 3}}}",
    );
    // Detects what does not happen.
    let other = "{maxEjectionPercent: 50, detectors: {gatewayErrors: {consecutive: 1}}}";
    yaml += &policy("CircuitBreaker", "kept", other);
    // Each request is tried once, so that failures are seen.
    yaml += &policy("Retry", "'*'", "{http: {retriableMethods: [PUT]}}");
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    let mut client = envoy.client();
    // Half of them fail while both instances are in use.
    let mut failures = |name: &str| {
        let answers = (0..20).map(|_| client.send("GET", "any.test", &format!("/{name}"), &[]));
        answers.filter(|answer| answer.status != 200).count()
    };
    for (name, _) in DETECTORS {
        assert!(eventually(|| failures(name) == 0), "{name}");
    }
    assert!(eventually(|| failures("few") == 0));
    assert_eq!(failures("kept"), 10);
}
