//! Which MeshGateway a Dataplane gets, and which routes its listeners get.

use crate::support::{EDGE, compile, dataplane, redirecting, routes_of, view, virtual_hosts};

const GATEWAY: &str = "
type: Dataplane
name: gateway
networking:
  address: 127.0.0.1
  gateway: {type: BUILTIN, tags: {kuma.io/service: edge, team: a}}
";

fn mesh_gateway(name: &str, created: &str, selector: &str) -> String {
    format!(
        "
---
type: MeshGateway
name: {name}
creationTime: {created}
selectors: [{{match: {selector}}}]
conf: {{listeners: [{{port: 8080, protocol: HTTP}}]}}
"
    )
}

/// The MeshGateway that wins among two.
fn winner(first: (&str, &str, &str), second: (&str, &str, &str)) -> String {
    let (first, second) = (
        mesh_gateway(first.0, first.1, first.2),
        mesh_gateway(second.0, second.1, second.2),
    );
    let one = compile(&format!("{GATEWAY}{first}{second}"));
    let other = compile(&format!("{GATEWAY}{second}{first}"));
    assert_eq!(one.gateway, other.gateway, "whatever comes first");
    one.gateway.as_deref().unwrap_or("none").to_owned()
}

#[test]
fn the_highest_rank_wins_then_the_newest_then_the_name() {
    let (old, new) = ("2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z");
    let any = "{kuma.io/service: '*'}";
    let exact = "{kuma.io/service: edge}";
    let two_any = "{kuma.io/service: '*', team: '*'}";
    let other = "{kuma.io/service: other}";
    for (first, second, wins) in [
        (("a", old, exact), ("b", new, any), "a"),
        (("a", old, two_any), ("b", new, exact), "a"),
        (("a", old, exact), ("b", new, exact), "b"),
        (("a", old, exact), ("b", old, exact), "a"),
        (("a", old, exact), ("b", new, other), "a"),
        (("a", old, other), ("b", new, other), "none"),
    ] {
        assert_eq!(winner(first, second), wins, "{first:?} {second:?}");
    }
}

#[test]
fn the_zone_is_a_tag_of_the_gateway() {
    let here = mesh_gateway("here", "2020-01-01T00:00:00Z", "{kuma.io/zone: east}");
    let there = mesh_gateway("there", "2021-01-01T00:00:00Z", "{kuma.io/zone: west}");
    assert_eq!(
        compile(&format!("{GATEWAY}{here}{there}"))
            .gateway
            .as_deref(),
        Some("here")
    );
}

#[test]
fn mesh_gateways_are_for_builtin_instances() {
    let any = mesh_gateway("any", "2020-01-01T00:00:00Z", "{kuma.io/service: '*'}");
    let delegated = format!("{}{any}", GATEWAY.replace("BUILTIN", "DELEGATED"));
    assert_eq!(compile(&delegated).gateway, None);
    assert!(view(GATEWAY).compile(&dataplane("other")).is_none());
    let alone = view(GATEWAY)
        .compile(&dataplane("gateway"))
        .expect("no MeshGateway is no reason");
    assert_eq!(alone.gateway, None);
    assert_eq!(alone.resources.len(), 6);
}

#[test]
fn a_gateway_sees_its_own_mesh_alone() {
    let routes = redirecting("ours", "", "[{method: GET}]")
        + &redirecting("theirs", "", "[{method: GET}]").replacen(
            "name: theirs",
            "name: theirs\nmesh: other",
            1,
        );
    let compiled = compile(&format!("{EDGE}{routes}"));
    assert_eq!(routes_of(&virtual_hosts(&compiled, 8080)[0]), ["ours"]);
}

#[test]
fn routes_select_by_the_union_of_tags() {
    let gateway = "
---
type: MeshGateway
name: edge
tags: {team: b, from: gateway}
selectors: [{match: {kuma.io/service: edge}}]
conf: {listeners: [{port: 8080, protocol: HTTP, tags: {from: listener}}]}
";
    let route = |name: &str, selector: &str| {
        redirecting(name, "", "[{method: GET}]").replace("{kuma.io/service: edge}", selector)
    };
    let routes = [
        route("overridden-dataplane", "{team: a}"),
        route("gateway", "{team: b, kuma.io/service: '*'}"),
        route("overridden-gateway", "{from: gateway}"),
        route("listener", "{from: listener, kuma.io/zone: east}"),
        route("absent", "{nope: '*'}"),
    ];
    let compiled = compile(&format!("{GATEWAY}{gateway}{}", routes.concat()));
    assert_eq!(
        routes_of(&virtual_hosts(&compiled, 8080)[0]),
        ["gateway", "listener"]
    );
}
