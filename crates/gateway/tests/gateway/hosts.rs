//! Which virtual hosts there are, and which routes each has.

use crate::support::{compile, routes_of, virtual_hosts};

/// A gateway with listeners on port 8080, given as hostname and tag `l`.
fn gateway(listeners: &[(&str, &str)]) -> String {
    let listeners: Vec<_> = listeners
        .iter()
        .map(|(hostname, tag)| {
            format!("{{port: 8080, protocol: HTTP, hostname: '{hostname}', tags: {{l: {tag}}}}}")
        })
        .collect();
    format!(
        "
type: Dataplane
name: gateway
networking:
  address: 127.0.0.1
  gateway: {{type: BUILTIN, tags: {{kuma.io/service: edge}}}}
---
type: MeshGateway
name: edge
selectors: [{{match: {{kuma.io/service: edge}}}}]
conf: {{listeners: [{}]}}
",
        listeners.join(", ")
    )
}

/// A route on the listeners with this tag, for these hostnames.
fn route(name: &str, listener: &str, hostnames: &[&str]) -> String {
    let hostnames: Vec<_> = hostnames
        .iter()
        .map(|hostname| format!("'{hostname}'"))
        .collect();
    format!(
        "
---
type: MeshGatewayRoute
name: {name}
selectors: [{{match: {{l: '{listener}'}}}}]
conf: {{http: {{hostnames: [{}], rules: [{{
  matches: [{{path: {{match: PREFIX, value: /}}}}],
  filters: [{{redirect: {{hostname: {name}, statusCode: 302}}}}]
}}]}}}}
",
        hostnames.join(", ")
    )
}

/// Hosts in order, each with its routes in order.
fn hosts(listeners: &[(&str, &str)], routes: &[(&str, &str, &[&str])]) -> Vec<String> {
    let routes: String = routes
        .iter()
        .map(|(name, listener, hostnames)| route(name, listener, hostnames))
        .collect();
    virtual_hosts(&compile(&(gateway(listeners) + &routes)), 8080)
        .iter()
        .map(|host| {
            assert_eq!(host.domains, [host.name.as_str()]);
            format!("{}: {}", host.name, routes_of(host).join(" "))
        })
        .collect()
}

#[test]
fn each_listener_has_its_host_the_most_specific_first() {
    let found = hosts(
        &[
            ("*", "a"),
            ("*.b.test", "a"),
            ("z.test", "a"),
            ("*.a.b.test", "a"),
            ("a.test", "a"),
        ],
        &[("all", "a", &[])],
    );
    assert_eq!(
        found,
        [
            "a.test: all",
            "z.test: all",
            "*.a.b.test: all",
            "*.b.test: all",
            "*: all"
        ]
    );
}

#[test]
fn a_host_without_routes_says_so() {
    assert_eq!(
        hosts(&[("a.test", "a")], &[("elsewhere", "b", &[])]),
        ["a.test: nothing"]
    );
}

#[test]
fn on_a_listener_for_all_hosts_a_route_makes_the_hosts_that_it_names() {
    let found = hosts(
        &[("", "a")],
        &[
            ("named", "a", &["a.test", "*.b.test"]),
            ("below", "a", &["x.b.test"]),
            ("rest", "a", &[]),
        ],
    );
    // Routes without hostnames are for what is left over.
    assert_eq!(
        found,
        [
            "a.test: named",
            "x.b.test: below named",
            "*.b.test: named",
            "*: rest"
        ]
    );
}

#[test]
fn a_wildcard_serves_what_it_contains_whatever_the_names_of_routes() {
    for (wide, narrow) in [("a", "b"), ("b", "a")] {
        let found = hosts(
            &[("*", "l")],
            &[
                (wide, "l", &["*.shop.test"]),
                (narrow, "l", &["b.shop.test"]),
            ],
        );
        assert_eq!(found[0], "b.shop.test: a b");
        assert_eq!(found[1], format!("*.shop.test: {wide}"));
    }
}

#[test]
fn on_a_wildcard_listener_a_named_host_is_served_alone_and_shares_what_names_none() {
    let found = hosts(
        &[("*.shop.test", "l")],
        &[
            ("all", "l", &[]),
            ("one", "l", &["b.shop.test"]),
            ("elsewhere", "l", &["b.test"]),
        ],
    );
    assert_eq!(found, ["b.shop.test: all one", "*.shop.test: all"]);
}

#[test]
fn on_an_exact_listener_hostnames_choose() {
    let found = hosts(
        &[("a.test", "l")],
        &[
            ("same", "l", &["A.test"]),
            ("wide", "l", &["*.test"]),
            ("all", "l", &["*"]),
            ("other", "l", &["b.test"]),
        ],
    );
    assert_eq!(found, ["a.test: all same wide"]);
}

#[test]
fn a_route_of_the_listener_for_all_joins_hosts_of_others_only_by_name() {
    let found = hosts(
        &[("a.test", "own"), ("*", "any")],
        &[
            ("own", "own", &[]),
            ("named", "any", &["a.test"]),
            ("rest", "any", &[]),
        ],
    );
    assert_eq!(found, ["a.test: named own", "*: rest"]);
}

#[test]
fn a_named_host_belongs_to_the_most_specific_listener_that_contains_it() {
    let found = hosts(
        &[("*.a.test", "narrow"), ("*.test", "wide"), ("*", "any")],
        &[
            ("narrow", "narrow", &[]),
            ("wide", "wide", &[]),
            ("named", "*", &["x.a.test"]),
        ],
    );
    assert_eq!(
        found,
        [
            "x.a.test: named narrow",
            "*.a.test: narrow",
            "*.test: wide",
            "*: nothing"
        ]
    );
}
