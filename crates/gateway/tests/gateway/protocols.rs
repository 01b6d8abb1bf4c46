//! What explanations, diffs and lint say of HTTPS, TLS and TCP listeners.

use portolan_gateway::{
    diff::diff,
    explain::{Answer, Request, explain},
    lint::lint,
    plan::port::Protocol,
};

use crate::{
    certificates::ECDSA,
    support::{chart, redirecting},
};

const LISTENERS: &str = "
type: Dataplane
name: gateway
networking: {address: 127.0.0.1, gateway: {type: BUILTIN, tags: {kuma.io/service: edge}}}
---
type: MeshGateway
name: edge
selectors: [{match: {kuma.io/service: edge}}]
conf:
  listeners:
  - {port: 8080, protocol: HTTP, tags: {kind: http}}
  - {port: 8443, protocol: HTTPS, hostname: a.test, tags: {kind: http}, tls: {mode: TERMINATE, certificates: [{secret: a}]}}
  - {port: 8443, protocol: HTTPS, hostname: '*.test', tags: {kind: http}, tls: {mode: TERMINATE, certificates: [{secret: wild}]}}
  - {port: 9443, protocol: TLS, hostname: db.test, tags: {kind: tls}, tls: {mode: PASSTHROUGH}}
  - {port: 9443, protocol: TLS, hostname: idle.test, tags: {kind: idle}, tls: {mode: PASSTHROUGH}}
  - {port: 9090, protocol: TCP, tags: {kind: tcp}}
";

/// A route with `tcp` rules for listeners of this kind.
fn tcp(kind: &str, backends: &str) -> String {
    format!(
        "---\ntype: MeshGatewayRoute\nname: tcp-{kind}\nselectors: [{{match: {{kind: {kind}}}}}]\n\
         conf: {{tcp: {{rules: [{{backends: [{backends}]}}]}}}}\n"
    )
}

const DB: &str = "---
type: Dataplane
name: db-1
networking: {address: 10.0.0.9, inbound: [{port: 5432, tags: {kuma.io/service: db}}]}
";

/// [`LISTENERS`] with the certificate of `*.test` alone, a route for all requests, and routes for connections.
fn edge() -> String {
    [
        LISTENERS,
        &ECDSA.secret("wild"),
        DB,
        &redirecting("web", "", "[{method: GET}]"),
        &tcp("tls", "{destination: {kuma.io/service: db}}"),
        &tcp(
            "tcp",
            "{weight: 3, destination: {kuma.io/service: db}}, {weight: 1, destination: {kuma.io/service: gone}}",
        ),
    ]
    .concat()
}

fn get(host: &str) -> Request {
    Request {
        host: host.to_owned(),
        path: "/x".to_owned(),
        method: "GET".to_owned(),
        headers: Vec::new(),
        port: None,
        protocol: None,
        sni: None,
    }
}

fn answered(request: &Request) -> Answer {
    let explanation = explain(&chart(&edge()), "edge", request, None).unwrap();
    let [answer] = &explanation.answers[..] else {
        panic!("{explanation:#?}")
    };
    answer.clone()
}

#[test]
fn sni_chooses_the_chain_and_redirects_keep_https() {
    let https = Request {
        protocol: Some(Protocol::Https),
        ..get("b.test")
    };
    let answer = answered(&https);
    let listener = answer.listener.unwrap();
    assert_eq!(
        (
            &*listener.name,
            &*listener.hostname,
            listener.sni.as_deref()
        ),
        ("edge:HTTPS:8443", "*.test", Some("b.test"))
    );
    assert_eq!(listener.tls.unwrap().certificates, ["secret wild"]);
    assert_eq!(
        answer.outcome.location.as_deref(),
        Some("https://web:8443/x")
    );

    // The name in TLS chooses the chain, the host of the request only among its hosts.
    let other = Request {
        sni: Some("b.test".to_owned()),
        ..Request {
            protocol: Some(Protocol::Https),
            ..get("elsewhere.com")
        }
    };
    let outcome = answered(&other).outcome;
    assert_eq!(outcome.status, Some(404), "{outcome:?}");
    assert!(outcome.what.contains("which the SNI chose"), "{outcome:?}");
}

#[test]
fn the_scheme_and_the_port_choose() {
    let port = |request: Request| {
        answered(&request)
            .listener
            .map(|listener| (listener.port, listener.protocol))
    };
    let scheme = |protocol| Request {
        protocol: Some(protocol),
        ..get("db.test")
    };
    let found = |number, protocol: &str| Some((number, protocol.to_owned()));
    assert_eq!(port(get("db.test")), found(8080, "HTTP"));
    assert_eq!(port(scheme(Protocol::Https)), found(8443, "HTTPS"));
    assert_eq!(port(scheme(Protocol::Tls)), found(9443, "TLS"));
    assert_eq!(port(scheme(Protocol::Tcp)), found(9090, "TCP"));
    let asked = Request {
        port: Some(9090),
        ..get("")
    };
    assert_eq!(port(asked), found(9090, "TCP"));
    for (number, protocol, why) in [
        (8443, Protocol::Http, "does not begin with TLS is closed"),
        (8080, Protocol::Https, "handshake fails"),
    ] {
        let asked = Request {
            port: Some(number),
            ..scheme(protocol)
        };
        let outcome = answered(&asked).outcome;
        assert_eq!(outcome.status, None);
        assert!(outcome.what.contains(why), "{outcome:?}");
    }
}

#[test]
fn a_connection_goes_to_backends_by_weight() {
    let tls = Request {
        sni: Some("DB.test".to_owned()),
        port: Some(9443),
        ..get("")
    };
    let answer = answered(&tls);
    let connection = answer.connection.unwrap();
    assert_eq!(connection.routes, ["tcp-tls"]);
    assert_eq!(connection.backends[0].endpoints, ["10.0.0.9:5432"]);
    assert!(
        answer.outcome.what.contains("still in TLS"),
        "{:?}",
        answer.outcome
    );

    let tcp = Request {
        port: Some(9090),
        ..get("")
    };
    let answer = answered(&tcp);
    let backends = answer.connection.unwrap().backends;
    let shares: Vec<_> = backends
        .iter()
        .map(|backend| (&*backend.tags["kuma.io/service"], backend.percent))
        .collect();
    assert_eq!(shares, [("db", 75.0), ("gone", 25.0)]);
    assert!(
        answer.outcome.what.contains("has no endpoint"),
        "{:?}",
        answer.outcome
    );
}

#[test]
fn what_is_closed_is_told_with_the_reason() {
    let https = |host: &str| Request {
        protocol: Some(Protocol::Https),
        port: Some(8443),
        ..get(host)
    };
    let tls = |host: &str| Request {
        port: Some(9443),
        ..get(host)
    };
    for (request, why) in [
        (
            https("a.test"),
            "the connection is closed: TLS cannot end here: conf.listeners[1].tls.certificates[0]: the mesh has \
             no Secret \"a\"; create it",
        ),
        (
            https("elsewhere.com"),
            "no listener of port 8443 takes SNI elsewhere.com: the connection is closed",
        ),
        (
            https("127.0.0.1"),
            "no listener of port 8443 takes connections without SNI: the connection is closed",
        ),
        (
            tls("idle.test"),
            "the connection is closed: no MeshGatewayRoute with tcp rules belongs to the listener",
        ),
    ] {
        let outcome = answered(&request).outcome;
        assert_eq!((&*outcome.what, outcome.status), (why, None));
    }
    let unopened = LISTENERS.to_owned();
    let explanation = explain(&chart(&unopened), "edge", &tls("db.test"), None).unwrap();
    let what = &explanation.answers[0].outcome.what;
    assert!(what.starts_with("nothing listens on port 9443"), "{what}");
}

#[test]
fn diffs_show_listeners_of_all_protocols_and_certificates_by_name() {
    let lines = |before: &str, after: &str| -> Vec<String> {
        let diffs = diff("default", &chart(before), &chart(after));
        let ports = diffs.iter().flat_map(|diff| &diff.ports);
        ports
            .flat_map(|port| {
                let words = port.listeners.iter().chain(&port.connections).cloned();
                let hosts = port.hosts.iter().map(|host| {
                    let sni = host.sni.as_deref().unwrap_or("-");
                    format!("{sni} {} {:?}", host.hostname, host.change)
                });
                let name = port.name.clone();
                words
                    .chain(hosts)
                    .map(move |words| format!("{name} {words}"))
            })
            .collect()
    };
    let before = edge();
    let with_a = edge() + &ECDSA.secret("a");
    assert_eq!(
        lines(&before, &with_a),
        [
            "edge:HTTPS:8443 ~ hostname a.test: opens (was closed because the mesh has no Secret \"a\"; create it)"
        ]
    );
    let other = before
        .replace(
            "certificates: [{secret: wild}]",
            "certificates: [{secret: wild}, {secret: a}]",
        )
        .replace("weight: 3", "weight: 7")
        .replace("hostname: idle.test", "hostname: new.test");
    assert_eq!(
        lines(&before, &other),
        [
            "edge:HTTPS:8443 ~ hostname *.test: TLS ends with secret wild and secret a (was: TLS ends with secret wild), \
             closed because the mesh has no Secret \"a\"; create it",
            "edge:TCP:9090 ~ to db weight 7 (was 3)",
            "edge:TLS:9443 - hostname idle.test, TLS goes on to the backend",
            "edge:TLS:9443 + hostname new.test, TLS goes on to the backend",
        ]
    );
    let without = before.replace("hostname: '*.test'", "hostname: '*.org'");
    assert_eq!(
        lines(&before, &without),
        [
            "edge:HTTPS:8443 + hostname *.org, TLS ends with secret wild",
            "edge:HTTPS:8443 - hostname *.test, TLS ends with secret wild",
            "edge:HTTPS:8443 *.org *.org Added",
            "edge:HTTPS:8443 *.test *.test Removed",
        ]
    );
}

#[test]
fn lint_knows_which_rules_belong_where() {
    let yaml = edge()
        + &tcp("http", "{destination: {kuma.io/service: db}}")
        + &redirecting("lost", "", "[{method: GET}]").replace("kuma.io/service: edge", "kind: tcp");
    let warnings: Vec<_> = lint(&chart(&yaml), "default")
        .iter()
        .map(|warning| format!("{} {warning}", warning.resource.name))
        .collect();
    assert_eq!(
        warnings,
        [
            "edge conf.listeners[1].tls.certificates[0]: connections to port 8443 for a.test are closed: the mesh has \
             no Secret \"a\"; create it",
            "lost selectors: only listeners for TCP have these tags, which take no http rules, so the route takes nothing",
            "tcp-http selectors: only listeners for HTTP and HTTPS have these tags, which take no tcp rules, so the route \
             takes nothing",
            "tcp-tcp conf.tcp.rules: no zone has an instance of gone, so its connections are closed",
        ]
    );
}
