//! RateLimit: what comes above the limit is answered by the gateway.

use super::{edge, eventually, policy};
use crate::{
    envoy::{
        backends,
        process::{Envoy, free_port},
    },
    support::view,
};

#[test]
fn requests_above_the_limit_are_answered_as_the_policy_says() {
    let port = free_port();
    let ports = [backends::named_http("backend")];
    let services = ["free", "plain", "told"].map(|name| (name, "http", &ports[..]));
    let told = "{http: {requests: 3, interval: 1h, onRateLimit: {status: 423, headers: [
      {key: x-why, value: first}, {key: x-why, value: second, append: true}, {key: x-share, value: 50%%}
    ]}}}";
    let yaml = [
        edge(port, &services),
        policy("RateLimit", "plain", "{http: {requests: 2, interval: 1h}}"),
        policy("RateLimit", "told", told),
    ]
    .concat();
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    let mut client = envoy.client();
    let mut get = |path: &str| client.send("GET", "any.test", path, &[]);
    for (path, limit, status) in [("/plain", 2, 429), ("/told", 3, 423)] {
        for number in 0..limit {
            assert_eq!(get(path).status, 200, "{path} {number}");
        }
        for _ in 0..2 {
            let answer = get(path);
            assert_eq!(answer.status, status, "{path}");
            assert_eq!(answer.header("x-backend"), None);
        }
    }
    let answer = get("/told");
    assert_eq!(answer.headers("x-why"), ["first", "second"]);
    assert_eq!(answer.header("x-share"), Some("50%"));
    for _ in 0..10 {
        assert_eq!(get("/free").status, 200);
    }
}

#[test]
fn what_was_taken_comes_back_evenly_over_the_interval() {
    let port = free_port();
    let ports = [backends::named_http("backend")];
    let yaml = [
        edge(port, &[("api", "http", &ports)]),
        // Far longer as a whole than anybody waits here.
        policy(
            "RateLimit",
            "api",
            "{http: {requests: 200, interval: 100s}}",
        ),
    ]
    .concat();
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    let mut client = envoy.client();
    let mut status = || client.send("GET", "any.test", "/api", &[]).status;
    assert!(eventually(|| status() == 429));
    assert!(eventually(|| status() == 200));
}

/// More routes than one list takes, so that the table is a tree, and one limit for what all others leave.
#[test]
fn a_limit_of_one_route_is_one_limit_in_a_large_table() {
    let port = free_port();
    let ports = [backends::named_http("backend")];
    let names: Vec<String> = (0..200).map(|number| format!("rest/{number}/x")).collect();
    let mut services = vec![("rest", "http", &ports[..])];
    services.extend(names.iter().map(|name| (&**name, "http", &ports[..])));
    let many = ["other/a", "other/b", "other/c", "one", "two"];
    services.extend(many.map(|name| (name, "http", &ports[..])));
    let yaml = [
        edge(port, &services[..]),
        policy("RateLimit", "rest", "{http: {requests: 4, interval: 1h}}"),
    ]
    .concat();
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    let mut client = envoy.client();
    let passed = (0..200).filter(|number| {
        let path = format!("/rest/{number}/y");
        client.send("GET", "any.test", &path, &[]).status == 200
    });
    assert_eq!(passed.count(), 4);
}
