//! Explanations and a real Envoy agree on connections with TLS.

use std::io::{Read, Write};

use portolan_gateway::{
    chart::Chart,
    explain::{self, Answer, Request},
    plan::port::Protocol,
};

use super::{
    client::shake_hands,
    http::Client,
    process::{Envoy, free_port},
    tcp::gateway,
};
use crate::{
    certificates::Certificate,
    support::{chart, redirecting, view},
};

fn asked(host: &str, sni: &str, path: &str, port: u16) -> Request {
    Request {
        host: host.to_owned(),
        path: path.to_owned(),
        method: "GET".to_owned(),
        headers: Vec::new(),
        port: Some(port),
        protocol: Some(Protocol::Https),
        sni: Some(sni.to_owned()),
    }
}

fn explained(chart: &Chart, request: &Request) -> Answer {
    let mut explanation = explain::explain(chart, "edge", request, None).unwrap();
    explanation.answers.remove(0)
}

#[test]
fn https_is_explained_as_envoy_serves_it() {
    let certificate = Certificate::for_host("*.wild.test");
    let port = free_port();
    let listener = |host: &str, secret: &str| {
        format!(
            "{{port: {port}, protocol: HTTPS, hostname: '{host}', tls: {{mode: TERMINATE, certificates: \
             [{{secret: {secret}}}]}}}}"
        )
    };
    let listeners = format!(
        "{}, {}",
        listener("closed.test", "missing"),
        listener("*.wild.test", "wild")
    );
    let secure = "[{path: {match: PREFIX, value: /secure}, headers: [{name: x-forwarded-proto, value: https}]}]";
    let yaml = gateway(&listeners)
        + &redirecting("secure", "", secure)
        + &redirecting(
            "named",
            "hostnames: [a.wild.test],",
            "[{path: {match: EXACT, value: /a}}]",
        )
        + &certificate.secret("wild");
    let chart = chart(&yaml);
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };

    let mut served = 0;
    for (sni, host, path) in [
        ("a.wild.test", "a.wild.test", "/a?x"),
        ("a.wild.test", "a.wild.test", "/secure/x"),
        ("c.wild.test", "a.wild.test", "/a"),
        ("b.wild.test", "b.wild.test:1", "/secure"),
        ("b.wild.test", "b.wild.test", "/"),
        ("b.wild.test", "elsewhere.com", "/secure"),
        ("closed.test", "a.test", "/a"),
        ("elsewhere.com", "a.test", "/a"),
        ("127.0.0.1", "a.test", "/a"),
    ] {
        let outcome = explained(&chart, &asked(host, sni, path, port)).outcome;
        let shaken = shake_hands(envoy.connect(), sni, &[], &certificate);
        assert_eq!(
            shaken.is_ok(),
            outcome.status.is_some(),
            "{sni} {host} {outcome:?}"
        );
        let Ok(stream) = shaken else { continue };
        let seen = Client::new(stream).send("GET", host, path, &[]);
        let location = seen.header("location").map(str::to_owned);
        assert_eq!(
            (outcome.status, outcome.location),
            (Some(seen.status), location),
            "{sni} {host} {path}"
        );
        served += 1;
    }
    assert_eq!(served, 6);

    let plain = Request {
        protocol: Some(Protocol::Http),
        ..asked("a.test", "a.test", "/a", port)
    };
    let outcome = explained(&chart, &plain).outcome;
    assert!(outcome.what.contains("is closed"), "{outcome:?}");
    let mut stream = envoy.connect();
    stream
        .write_all(b"GET /a HTTP/1.1\r\nhost: a.test\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    // Closed or reset: either way without an answer.
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{answer:?}");
}
