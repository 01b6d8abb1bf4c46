//! Each kind of filter and backend does what it should.

use std::collections::BTreeMap;

use super::{
    backends,
    process::{self, Envoy, PATIENCE},
};
use crate::support::{dataplane, view};

/// Where redirects lead: the fields, the target of a request for it, status and location. `PORT` is the
/// port of the listener.
const REDIRECTS: [(&str, &str, u16, &str); 11] = [
    (
        "statusCode: 301",
        "/x?q",
        301,
        "http://actions.test:PORT/r0/x",
    ),
    ("statusCode: 302", "", 302, "http://actions.test:PORT/r1"),
    ("statusCode: 303", "", 303, "http://actions.test:PORT/r2"),
    ("statusCode: 307", "", 307, "http://actions.test:PORT/r3"),
    ("statusCode: 308", "", 308, "http://actions.test:PORT/r4"),
    (
        "scheme: https, statusCode: 302",
        "",
        302,
        "https://actions.test:PORT/r5",
    ),
    (
        "hostname: new.test, statusCode: 302",
        "",
        302,
        "http://new.test:PORT/r6",
    ),
    (
        "port: 1234, statusCode: 302",
        "",
        302,
        "http://actions.test:1234/r7",
    ),
    (
        "path: {replaceFull: /all}, statusCode: 302",
        "/x?q",
        302,
        "http://actions.test:PORT/all",
    ),
    (
        "path: {replacePrefixMatch: /new/}, statusCode: 302",
        "/x?q",
        302,
        "http://actions.test:PORT/new/x",
    ),
    (
        "path: {replacePrefixMatch: /}, statusCode: 302",
        "/x",
        302,
        "http://actions.test:PORT/x",
    ),
];

/// Filters of requests to the service `one`, by path.
const FILTERS: [(&str, &str); 5] = [
    (
        "/set",
        "{responseHeader: {set: [{name: x-backend, value: edge}]}}",
    ),
    (
        "/add",
        "{responseHeader: {add: [{name: x-backend, value: edge}]}}",
    ),
    ("/remove", "{responseHeader: {remove: [x-backend]}}"),
    ("/host", "{rewrite: {hostToBackendHostname: true}}"),
    (
        "/mirror",
        "{mirror: {percentage: 100, backend: {destination: {kuma.io/service: shadow}}}}",
    ),
];

/// Services and their weights, by path.
const BACKENDS: [(&str, &[(&str, u32)]); 4] = [
    ("/alone", &[("one", 0)]),
    ("/zero", &[("one", 1), ("two", 0)]),
    ("/split", &[("one", 3), ("two", 1)]),
    ("/grpc", &[("grpc", 1)]),
];

const REQUESTS: usize = 400;

fn rule(path: &str, rest: &str) -> String {
    format!("  - {{matches: [{{path: {{match: PREFIX, value: {path}}}}}], {rest}}}\n")
}

fn to(backends: &[(&str, u32)]) -> String {
    let backend = |(service, weight): &(&str, u32)| {
        format!("{{destination: {{kuma.io/service: {service}}}, weight: {weight}}}")
    };
    let all: Vec<_> = backends.iter().map(backend).collect();
    format!("backends: [{}]", all.join(", "))
}

fn member(service: &str, protocol: &str, port: u16) -> String {
    format!(
        "
---
type: Dataplane
name: {service}
networking:
  address: 127.0.0.1
  inbound: [{{port: {port}, tags: {{kuma.io/service: {service}, kuma.io/protocol: {protocol}}}}}]
"
    )
}

fn rules() -> String {
    let redirects = REDIRECTS
        .iter()
        .enumerate()
        .map(|(number, (redirect, ..))| {
            let filters = format!("filters: [{{redirect: {{{redirect}}}}}]");
            rule(&format!("/r{number}"), &filters)
        });
    let filters = FILTERS.iter().map(|(path, filter)| {
        let rest = format!("filters: [{filter}], {}", to(&[("one", 1)]));
        rule(path, &rest)
    });
    let backends = BACKENDS
        .iter()
        .map(|(path, backends)| rule(path, &to(backends)));
    redirects.chain(filters).chain(backends).collect()
}

#[test]
fn each_kind_of_filter_and_backend_does_what_it_should() {
    let port = process::free_port();
    let (shadow, mirrored) = backends::records();
    let (grpc, spoken) = backends::records();
    let yaml = [
        process::edge(port),
        member("one", "http", backends::named_http("one")),
        member("two", "http", backends::named_http("two")),
        member("shadow", "http", shadow),
        member("grpc", "grpc", grpc),
        "---\ntype: MeshGatewayRoute\nname: actions\nselectors: [{match: {kuma.io/service: edge}}]\n\
         conf:\n http:\n  rules:\n"
            .to_owned(),
        rules(),
    ]
    .concat();
    let mut view = view(&yaml);
    let compiled = view.compile(&dataplane("gateway")).unwrap();
    assert!(compiled.faults.is_empty(), "{:?}", compiled.faults);
    let Some(envoy) = Envoy::start(&mut view, port) else {
        return;
    };
    let mut client = envoy.client();
    let mut get = |path: &str| client.send("GET", "actions.test", path, &[]);

    for (number, (redirect, rest, status, location)) in REDIRECTS.into_iter().enumerate() {
        let answer = get(&format!("/r{number}{rest}"));
        assert_eq!(answer.status, status, "{redirect}");
        let location = location.replace("PORT", &port.to_string());
        assert_eq!(answer.header("location"), Some(&*location), "{redirect}");
    }

    assert_eq!(get("/set").headers("x-backend"), ["edge"]);
    assert_eq!(get("/add").headers("x-backend"), ["one", "edge"]);
    assert!(get("/remove").headers("x-backend").is_empty());
    // Instances have addresses, and no names to rewrite to.
    assert!(get("/host").body.contains("\nhost: actions.test\n"));

    assert_eq!(get("/mirror/x").header("x-backend"), Some("one"));
    let copy = mirrored.recv_timeout(PATIENCE).unwrap();
    assert_eq!(copy, "GET /mirror/x HTTP/1.1");

    let mut answered = |path: &str| {
        let mut counts = BTreeMap::<String, usize>::new();
        for _ in 0..REQUESTS {
            let service = get(path).header("x-backend").unwrap().to_owned();
            *counts.entry(service).or_default() += 1;
        }
        counts
    };
    for path in ["/alone", "/zero"] {
        assert_eq!(
            answered(path),
            [("one".to_owned(), REQUESTS)].into(),
            "{path}"
        );
    }
    let split = answered("/split");
    // 300 of 400 on average; 60 off is seven standard deviations.
    assert!((240..=360).contains(&split["one"]), "{split:?}");
    assert_eq!(split["one"] + split["two"], REQUESTS);

    get("/grpc");
    let preface = spoken.recv_timeout(PATIENCE).unwrap();
    assert_eq!(preface, "PRI * HTTP/2.0");
}
