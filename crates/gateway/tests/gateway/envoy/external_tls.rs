//! External services that speak TLS, through a real Envoy.

use std::{
    io::{Read, Write},
    thread,
    time::{Duration, Instant},
};

use super::{
    backends,
    external::{external, route},
    process::{Envoy, PATIENCE, edge, free_port},
    tcp,
};
use crate::{
    certificates::Certificate,
    support::{dataplane, resources, view},
};

const CLIENT: &str = "clientCert: {secret: ours}, clientKey: {secret: ours}";

#[test]
fn tls_asks_by_name_believes_its_own_authority_and_shows_a_certificate() {
    let (theirs, ours) = (
        Certificate::for_host("bank.test"),
        Certificate::for_host("gateway.test"),
    );
    let another = Certificate::for_host("bank.test");
    let address = format!("127.0.0.1:{}", backends::http_in_tls(&theirs, &ours));
    let port = free_port();
    let cases = [
        (
            "good",
            "serverName: bank.test, caCert: {secret: theirs}",
            CLIENT,
            200,
        ),
        ("unchecked", "serverName: bank.test", CLIENT, 200),
        (
            "wrong-authority",
            "serverName: bank.test, caCert: {secret: another}",
            CLIENT,
            503,
        ),
        (
            "wrong-name",
            "serverName: shop.test, caCert: {secret: theirs}",
            CLIENT,
            503,
        ),
        (
            "any-name",
            "serverName: shop.test, skipHostnameVerification: true, caCert: {secret: theirs}",
            CLIENT,
            200,
        ),
        // The address is no name in the certificate.
        ("by-address", "caCert: {secret: theirs}", CLIENT, 503),
        (
            "shows-nothing",
            "serverName: bank.test, caCert: {secret: theirs}",
            "",
            503,
        ),
        (
            "shows-another",
            "serverName: bank.test, caCert: {secret: theirs}",
            "clientCert: {secret: another}, clientKey: {secret: another}",
            503,
        ),
        (
            "no-secret",
            "serverName: bank.test, caCert: {secret: missing}",
            CLIENT,
            503,
        ),
    ];
    let services = cases.iter().map(|(name, server, client, _)| {
        let tls = format!("tls: {{enabled: true, {server}, {client}}}");
        route(name) + &external(name, name, &address, &tls)
    });
    let yaml = edge(port)
        + &services.collect::<String>()
        + &theirs.secret("theirs")
        + &ours.secret("ours")
        + &another.secret("another");
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    for (name, server, _, expected) in cases {
        let answer = envoy
            .client()
            .send("GET", "a.test", &format!("/{name}"), &[]);
        assert_eq!(answer.status, expected, "{name}");
        if expected == 200 {
            let asked = if server.contains("shop") {
                "shop.test"
            } else {
                "bank.test"
            };
            assert_eq!(answer.header("x-backend"), Some(asked), "{name}");
        }
    }
}

#[test]
fn endpoints_of_one_service_each_have_their_tls() {
    let ours = Certificate::for_host("gateway.test");
    let (one, two) = (
        Certificate::for_host("one.test"),
        Certificate::for_host("two.test"),
    );
    let port = free_port();
    let tls = |name: &str| {
        format!(
            "tls: {{enabled: true, serverName: {name}.test, caCert: {{secret: {name}}}, {CLIENT}}}"
        )
    };
    let at = |port| format!("127.0.0.1:{port}");
    let yaml = edge(port)
        + &route("bank")
        + &external("plain", "bank", &at(backends::named_http("plain")), "")
        + &external(
            "one",
            "bank",
            &at(backends::http_in_tls(&one, &ours)),
            &tls("one"),
        )
        + &external(
            "two",
            "bank",
            &at(backends::http_in_tls(&two, &ours)),
            &tls("two"),
        )
        + &one.secret("one")
        + &two.secret("two")
        + &ours.secret("ours");
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    let mut client = envoy.client();
    let mut seen: Vec<_> = (0..3)
        .map(|_| {
            let answer = client.send("GET", "a.test", "/bank", &[]);
            assert_eq!(answer.status, 200);
            answer.header("x-backend").unwrap().to_owned()
        })
        .collect();
    seen.sort();
    assert_eq!(seen, ["one.test", "plain", "two.test"]);
}

#[test]
fn a_replaced_client_certificate_is_shown() {
    let theirs = Certificate::for_host("bank.test");
    let (old, new) = (
        Certificate::for_host("gateway.test"),
        Certificate::for_host("gateway.test"),
    );
    let address = format!("127.0.0.1:{}", backends::http_in_tls(&theirs, &new));
    let port = free_port();
    let tls = format!(
        "tls: {{enabled: true, serverName: bank.test, caCert: {{secret: theirs}}, {CLIENT}}}"
    );
    let yaml = edge(port)
        + &route("bank")
        + &external("bank", "bank", &address, &tls)
        + &theirs.secret("theirs")
        + &old.secret("ours");
    let mut view = view(&yaml);
    let Some(envoy) = Envoy::start(&mut view, port) else {
        return;
    };
    let status = || envoy.client().send("GET", "a.test", "/bank", &[]).status;
    assert_eq!(status(), 503);
    for resource in resources(&new.secret("ours")) {
        view.put(&resource);
    }
    envoy.replace_certificates(&view.compile(&dataplane("gateway")).unwrap());
    let started = Instant::now();
    while status() != 200 {
        assert!(started.elapsed() < PATIENCE, "still the old certificate");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn bytes_go_to_an_external_service_in_tls() {
    let theirs = Certificate::for_host("db.test");
    let address = format!("127.0.0.1:{}", backends::echo_in_tls(&theirs));
    let port = free_port();
    let tls = "tls: {enabled: true, serverName: db.test, caCert: {secret: theirs}}";
    let yaml = tcp::gateway(&format!("{{port: {port}, protocol: TCP}}"))
        + &tcp::route(
            "db",
            "kuma.io/service: edge",
            "{destination: {kuma.io/service: db}}",
        )
        + &external("db", "db", &address, tls)
        + &theirs.secret("theirs");
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    let mut stream = envoy.connect();
    stream.write_all(b"hello").unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello");
}
