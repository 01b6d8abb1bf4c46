//! Explanations, the reference and a real Envoy agree on what becomes of a request.

use std::{env, sync::Arc};

use portolan_gateway::{
    chart::{Chart, Charts},
    explain::{self, Explanation},
    plan::{
        matching::RouteMatch,
        route::{HttpRoute, Shared},
    },
};
use proptest::prelude::*;

use super::{
    backends,
    process::{self, Envoy},
    routes::forwarding,
};
use crate::{
    generate::{ascii_path, draw, matching, random, request, respelled, route},
    reference::{Request, first},
    support::{resource, resources, view},
};

/// Route tables, each with so many requests, unless `PORTOLAN_EXPLAINED_TABLES` says otherwise.
const TABLES: usize = 200;
const REQUESTS: usize = 30;

fn asked(host: &str, request: &Request, target: String, port: u16) -> explain::Request {
    explain::Request {
        host: host.to_owned(),
        path: target,
        method: request.method.to_owned(),
        headers: request.headers.clone(),
        port: Some(port),
        protocol: None,
        sni: None,
    }
}

#[test]
fn random_tables_are_explained_as_envoy_serves_them() {
    let count = env::var("PORTOLAN_EXPLAINED_TABLES").ok();
    let count = count.map_or(TABLES, |count| count.parse().unwrap());
    let port = process::free_port();
    let edge = process::edge(port);
    let (mut view, mut charts) = (view(&edge), Charts::new("east"));
    resources(&edge)
        .iter()
        .for_each(|resource| charts.put(resource));
    let mut random = random(7);
    let mut tables: Vec<(Vec<RouteMatch>, Arc<Chart>)> = Vec::new();
    for host in 0..count {
        let matches = prop::collection::vec(matching(ascii_path(), 1 + host % 3), 1..80);
        let matches = draw(&matches, &mut random);
        let resource = Arc::new(resource(route(host, &matches)));
        let read = HttpRoute::read(&resource, &mut Shared::default()).unwrap();
        let mut entries = read.entries.into_vec();
        entries.sort();
        let table = entries.iter().map(|entry| entry.matching.clone());
        // Each with its own route alone, which is all that its host has.
        let mut own = charts.clone();
        own.put(&resource);
        tables.push((table.collect(), own.mesh("default")));
        view.put(&resource);
    }
    let envoy = Envoy::start(&mut view, port);
    let mut client = envoy.as_ref().map(Envoy::client);
    let mut taken = 0;
    for (host, (table, chart)) in tables.iter().enumerate() {
        let host = format!("host-{host}.test");
        let requests = prop::collection::vec((request(ascii_path()), respelled()), REQUESTS);
        for (request, respell) in draw(&requests, &mut random) {
            let path = respell(&request.path);
            let sent = Request {
                path: path.clone(),
                ..request.clone()
            };
            let asked = asked(&host, &request, sent.target(), port);
            let explanation = explain::explain(chart, "edge", &asked, None).unwrap();
            let [answer] = &explanation.answers[..] else {
                panic!("{explanation:?}")
            };
            let position = answer.route.as_ref().map(|route| route.place.position - 1);
            if path == request.path {
                assert_eq!(
                    position,
                    first(table, &request),
                    "{request:?} among {table:#?}"
                );
            }
            taken += usize::from(position.is_some());
            if let Some(client) = &mut client {
                let headers: Vec<_> = request
                    .headers
                    .iter()
                    .map(|(name, value)| (&**name, &**value))
                    .collect();
                let seen = client.send(request.method, &host, &sent.target(), &headers);
                let expected = outcome(&explanation);
                let found = (
                    Some(seen.status),
                    seen.header("location").map(str::to_owned),
                );
                assert_eq!(expected, found, "{sent:?} among {table:#?}");
                // Envoy closes the connection with an answer of its own to a path.
                if [307, 400].contains(&seen.status) {
                    *client = envoy.as_ref().expect("an Envoy").client();
                }
            }
        }
    }
    assert!(
        taken > count * REQUESTS / 4,
        "only {taken} requests were taken at all"
    );
}

/// Status and location that the client sees.
fn outcome(explanation: &Explanation) -> (Option<u16>, Option<String>) {
    let outcome = &explanation.answers[0].outcome;
    let mut notes = explanation.notes.iter();
    if notes.any(|note| note.contains("with 307 first")) {
        return (Some(307), explanation.target.clone());
    }
    (outcome.status, outcome.location.clone())
}

/// Targets that Envoy rewrites or refuses, and hosts and headers that it reads in its own way.
#[test]
fn requests_are_seen_as_envoy_sees_them() {
    let port = process::free_port();
    let echo = backends::echo_http();
    let yaml = process::edge(port)
        + &format!(
            "
---
type: Dataplane
name: echo
networking: {{address: 127.0.0.1, inbound: [{{port: {echo}, tags: {{kuma.io/service: echo}}}}]}}
---
type: MeshGatewayRoute
name: echo
selectors: [{{match: {{kuma.io/service: edge}}}}]
conf:
 http:
  hostnames: [echo.test, '*.wild.test']
  rules:
{}",
            forwarding("PREFIX", "/", "")
        );
    let chart = crate::support::chart(&yaml);
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    let mut targets: Vec<String> = [
        "//",
        "/a//b",
        "///",
        "/a/.",
        "/a/..",
        "/..",
        "/a/../..",
        "/a/.../b",
        "/.a/..b",
        "/a;b/..",
        "/a\\b",
        "/a?b//c/../%2f",
        "/a%",
        "/a%z1",
        "/a%1",
        "/a#b",
        "/a?b#c",
        "/a%252f",
        "/a%2fb",
        "/a%5c..%2fb",
        "/a/%2e%2E/b",
        "/a//../b",
        "/a/b/%2e",
        "/a|b",
        "/a[b]",
        "/?",
        "/a?",
        "/a/./../",
        "/a%2f%2f",
    ]
    .map(str::to_owned)
    .to_vec();
    targets.extend((1..=255_u8).map(|byte| format!("/x%{byte:02x}y%{byte:02X}")));
    targets.extend((0x21..0x7f_u8).map(|byte| format!("/x{}y", char::from(byte))));
    for target in targets {
        let asked = explain::Request {
            host: "echo.test:80".to_owned(),
            path: target.clone(),
            method: "GET".to_owned(),
            headers: Vec::new(),
            port: None,
            protocol: None,
            sni: None,
        };
        let explanation = explain::explain(&chart, "edge", &asked, None).unwrap();
        // A refused request ends the connection.
        let seen = envoy.client().send("GET", "echo.test:80", &target, &[]);
        match outcome(&explanation) {
            (Some(status), location) => {
                let found = (seen.status, seen.header("location").map(str::to_owned));
                assert_eq!((status, location), found, "{target}");
            }
            (None, _) => {
                let line = format!("GET {} HTTP/1.1", explanation.target.unwrap());
                assert_eq!(
                    (seen.status, seen.body.lines().next()),
                    (200, Some(&*line)),
                    "{target}"
                );
            }
        }
    }
    for host in [
        "ECHO.test",
        "a.wild.test",
        "a.b.wild.test:99",
        "wild.test",
        "echo.test.",
        "x",
        "empty.test",
    ] {
        let asked = explain::Request {
            host: host.to_owned(),
            path: "/".to_owned(),
            method: "GET".to_owned(),
            headers: Vec::new(),
            port: Some(port),
            protocol: None,
            sni: None,
        };
        let explanation = explain::explain(&chart, "edge", &asked, None).unwrap();
        let seen = envoy.client().send("GET", host, "/", &[]);
        let outcome = &explanation.answers[0].outcome;
        assert_eq!(outcome.status.unwrap_or(200), seen.status, "{host}");
        if seen.status == 404 {
            assert_eq!(
                outcome.body.as_deref().unwrap_or_default(),
                seen.body,
                "{host}"
            );
        }
    }
}
