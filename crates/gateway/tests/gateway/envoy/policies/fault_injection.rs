//! FaultInjection: of all requests, of none and of some.

use std::time::{Duration, Instant};

use super::{edge, policy};
use crate::{
    envoy::{
        backends,
        http::Client,
        process::{Envoy, free_port},
    },
    support::view,
};

/// Bytes that the backend answers with.
const BODY: usize = 4 * 1024;

/// Services, and what goes wrong with them.
const FAULTS: [(&str, &str); 6] = [
    ("slow", "{delay: {percentage: 100, value: 500ms}}"),
    ("never-slow", "{delay: {percentage: 0, value: 1h}}"),
    ("broken", "{abort: {percentage: 100, httpStatus: 418}}"),
    ("never-broken", "{abort: {percentage: 0, httpStatus: 418}}"),
    (
        "half-broken",
        "{abort: {percentage: 49.95, httpStatus: 418}}",
    ),
    (
        "narrow",
        "{responseBandwidth: {percentage: 100, limit: 8 kbps}}",
    ),
];

#[test]
fn what_goes_wrong_is_what_the_policy_says() {
    let port = free_port();
    let body = "x".repeat(BODY);
    let backend = backends::answering(move |_| {
        Some(format!(
            "HTTP/1.1 200 OK\r\nx-backend: b\r\ncontent-length: {BODY}\r\n\r\n{body}"
        ))
    });
    let ports = [backend];
    let services = FAULTS.map(|(name, _)| (name, "http", &ports[..]));
    let policies = FAULTS.map(|(name, conf)| {
        policy(
            "FaultInjection",
            &format!("{name}, kuma.io/protocol: http"),
            conf,
        )
    });
    let yaml = edge(port, &services) + &policies.concat();
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    let mut client = envoy.client();
    let mut get = |path: &str| {
        let started = Instant::now();
        let answer = client.send("GET", "any.test", path, &[]);
        (answer, started.elapsed())
    };

    let (answer, took) = get("/slow");
    assert_eq!(answer.status, 200);
    // Envoy counts from when it last looked at its clock, which on a busy machine is a while before the request.
    assert!(took >= Duration::from_millis(250), "{took:?}");

    let (answer, _) = get("/broken");
    assert_eq!(answer.status, 418);
    assert_eq!(answer.header("x-backend"), None);

    let (answer, took) = get("/narrow");
    assert_eq!(answer.body.len(), BODY);
    // 4 of 8 KiB a second, of which a part comes at once.
    assert!(took >= Duration::from_millis(200), "{took:?}");

    for path in ["/never-slow", "/never-broken"] {
        let (answer, _) = get(path);
        assert_eq!((answer.status, answer.body.len()), (200, BODY), "{path}");
    }

    let broken = (0..400).filter(|_| get("/half-broken").0.status == 418);
    let broken = broken.count();
    // 200 on average; 70 off is seven standard deviations.
    assert!((130..=270).contains(&broken), "{broken}");
}

#[test]
fn what_most_routes_have_spares_the_others() {
    let port = free_port();
    let backend =
        backends::answering(|_| Some("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()));
    let ports = [backend];
    let services = ["broken", "odd", "well"].map(|name| (name, "http", &ports[..]));
    let more = "
---
type: MeshGatewayRoute
name: more
selectors: [{match: {kuma.io/service: edge}}]
conf:
  http:
    rules:
    - matches:
      - {path: {match: EXACT, value: /1}}
      - {path: {match: EXACT, value: /2}}
      - {path: {match: EXACT, value: /3}}
      backends: [{destination: {kuma.io/service: broken}}]
    - matches: [{path: {match: EXACT, value: /moved}}]
      filters: [{redirect: {hostname: other.test, statusCode: 302}}]
";
    let abort = |status: u32| format!("{{abort: {{percentage: 100, httpStatus: {status}}}}}");
    let faults = |service: &str, status| {
        let service = format!("{service}, kuma.io/protocol: http");
        policy("FaultInjection", &service, &abort(status))
    };
    let yaml = edge(port, &services) + more + &faults("broken", 418) + &faults("odd", 417);
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    let mut client = Client::new(envoy.connect());
    for (path, status) in [
        ("/1", 418),
        ("/broken", 418),
        ("/odd", 417),
        ("/well", 200),
        ("/moved", 302),
        ("/nowhere", 404),
    ] {
        let answer = client.send("GET", "any.test", path, &[]);
        assert_eq!(answer.status, status, "{path}");
    }
}
