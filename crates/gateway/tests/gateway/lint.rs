//! What is said of resources that will not do what they seem to.

use portolan_gateway::lint;

use crate::support::{EDGE, chart, with_edge};

fn warnings(yaml: &str) -> Vec<String> {
    let warnings = lint::lint(&chart(yaml), "default");
    warnings
        .iter()
        .map(|warning| format!("{} {warning}", warning.resource.name))
        .collect()
}

/// A route with rules of these matches, to a service that exists.
fn route(name: &str, more: &str, rules: &[&str]) -> String {
    let rules: Vec<_> = rules
        .iter()
        .map(|matches| {
            format!("{{matches: [{matches}], backends: [{{destination: {{kuma.io/service: s}}}}]}}")
        })
        .collect();
    format!(
        "---\ntype: MeshGatewayRoute\nname: {name}\nselectors: [{{match: {{kuma.io/service: edge}}}}]\n\
         conf: {{http: {{{more} rules: [{}]}}}}\n",
        rules.join(", ")
    )
}

const SERVICE: &str = "
type: Dataplane
name: s-1
networking: {address: 10.0.0.1, inbound: [{port: 80, tags: {kuma.io/service: s}}]}
";

/// Names and rules of what is called shadowed among these routes.
fn shadowed(routes: &[String]) -> Vec<String> {
    let warnings = warnings(&with_edge(&format!("{SERVICE}{}", routes.concat())));
    let shadowed = warnings.iter().map(|warning| {
        let (what, rest) = warning
            .split_once(": never takes a request: ")
            .unwrap_or_else(|| panic!("{warning}"));
        format!(
            "{} < {}",
            what.replace("conf.http.", ""),
            rest.split(" takes").next().unwrap()
        )
    });
    shadowed.collect()
}

#[test]
fn nothing_is_said_of_what_works() {
    assert_eq!(
        warnings(&with_edge(&format!(
            "{SERVICE}{}",
            route("a", "", &["{path: {match: PREFIX, value: /}}"])
        ))),
        [""; 0]
    );
}

#[test]
fn routes_without_listeners_hosts_or_backends() {
    let lost = route("lost", "", &["{method: GET}"]).replace("service: edge", "service: none");
    let backend = route("backend", "", &["{method: GET}"])
        .replace("service: s}", "service: gone, version: v2}");
    let gateway = EDGE.replace("protocol: HTTP", "protocol: HTTP, hostname: '*.a.test'");
    let host = route(
        "host",
        "hostnames: [b.a.test, b.test, '*.test'],",
        &["{method: GET}"],
    );
    assert_eq!(
        warnings(&format!("{gateway}---{SERVICE}{lost}{backend}{host}")),
        [
            "backend conf.http.rules[0]: no zone has an instance of gone version=v2, so its requests get 503",
            "host conf.http.hostnames[1]: no listener that the route selects takes b.test",
            "lost selectors: no listener of any MeshGateway has these tags, so the route takes no requests",
        ]
    );
}

#[test]
fn gateways_that_nobody_runs() {
    let gateway = |name: &str, selector: &str| {
        format!(
            "---\ntype: MeshGateway\nname: {name}\nselectors: [{{match: {selector}}}]\nconf: {{listeners: [{{port: 8080, protocol: HTTP}}]}}\n"
        )
    };
    let yaml = format!(
        "{EDGE}{}{}",
        gateway("wide", "{kuma.io/service: '*'}"),
        gateway("nobody", "{team: x}")
    );
    assert_eq!(
        warnings(&yaml),
        [
            "nobody selectors: no BUILTIN gateway Dataplane of any zone has these tags, so nothing listens",
            "wide selectors: the Dataplanes with these tags run MeshGateway edge, whose selectors are more specific \
             or which is newer",
        ]
    );
    let twice = EDGE.replace(
        "[{port: 8080, protocol: HTTP}]",
        "[{port: 8080, protocol: HTTP}, {port: 8080, protocol: HTTP}]",
    );
    assert_eq!(
        warnings(&twice),
        [
            "edge conf.listeners[1].hostname: left out: port 8080 already has a listener for this hostname; remove one of them"
        ]
    );
}

#[test]
fn rules_that_others_overtake() {
    let prefix = "{path: {match: PREFIX, value: /a}}";
    let regex = "{path: {match: REGEX, value: '/a/b.*'}}";
    // Equal conditions: the older, then the first by name, then the first in it.
    assert_eq!(
        shadowed(&[route("x", "", &[prefix]), route("y", "", &[prefix])]),
        ["y rules[0] < rule 0 of MeshGatewayRoute x"]
    );
    assert_eq!(
        shadowed(&[route("x", "", &[prefix, prefix])]),
        ["x rules[1] < rule 0 of MeshGatewayRoute x"]
    );
    // Expressions come last.
    assert_eq!(
        shadowed(&[route("x", "", &[prefix]), route("y", "", &[regex])]),
        ["y rules[0] < rule 0 of MeshGatewayRoute x"]
    );
    assert_eq!(
        shadowed(&[
            route("x", "", &["{headers: [{name: h, match: PRESENT}]}"]),
            route(
                "y",
                "",
                &["{path: {match: REGEX, value: '(a|/b)'}, headers: [{name: H, value: v}]}"]
            )
        ]),
        ["y rules[0] < rule 0 of MeshGatewayRoute x"]
    );
    // A wider hostname goes for every host in it.
    let hosts = |name: &str, host: &str| route(name, &format!("hostnames: ['{host}'],"), &[prefix]);
    assert_eq!(
        shadowed(&[hosts("x", "*.test"), hosts("y", "a.b.test")]),
        ["y rules[0] < rule 0 of MeshGatewayRoute x"]
    );
    assert_eq!(
        shadowed(&[hosts("x", "*"), route("y", "", &[prefix])]),
        ["y rules[0] < rule 0 of MeshGatewayRoute x"]
    );
}

#[test]
fn rules_that_still_take_requests() {
    let prefix = "{path: {match: PREFIX, value: /a}}";
    for (first, second) in [
        (prefix, "{path: {match: PREFIX, value: /a/b}}"),
        (prefix, "{path: {match: EXACT, value: /a}}"),
        (prefix, "{path: {match: REGEX, value: '/a.*'}}"),
        (prefix, "{path: {match: PREFIX, value: /a}, method: GET}"),
        ("{path: {match: PREFIX, value: /a}, method: GET}", prefix),
        (
            "{headers: [{name: h, value: a}]}",
            "{headers: [{name: h, value: b}]}",
        ),
        (
            "{headers: [{name: h, value: a}]}",
            "{headers: [{name: h, match: PRESENT}]}",
        ),
        (
            "{queryParameters: [{name: q, value: a}]}",
            "{headers: [{name: h, value: a}]}",
        ),
    ] {
        assert_eq!(
            shadowed(&[route("x", "", &[first]), route("y", "", &[second])]),
            [""; 0],
            "{first} {second}"
        );
    }
    // One match of the rule is enough.
    let two = "{path: {match: PREFIX, value: /a}}, {path: {match: PREFIX, value: /b}}";
    assert_eq!(
        shadowed(&[route("x", "", &[prefix]), route("y", "", &[two])]),
        [""; 0]
    );
    // Another hostname, or none, which stands for the hosts that nobody names.
    let hosts = |name: &str, host: &str| route(name, &format!("hostnames: ['{host}'],"), &[prefix]);
    assert_eq!(
        shadowed(&[hosts("x", "a.test"), hosts("y", "*.test")]),
        [""; 0]
    );
    assert_eq!(
        shadowed(&[route("x", "", &[prefix]), hosts("y", "a.test")]),
        [""; 0]
    );
}

#[test]
fn members_that_let_no_gateway_in() {
    let mesh = "
---
type: Mesh
name: default
mtls: {enabledBackend: ca-1, backends: [{name: ca-1, type: builtin}]}
";
    let permission = |source: &str| {
        format!(
            "---\ntype: TrafficPermission\nname: s\nsources: [{{match: {{kuma.io/service: {source}}}}}]\n\
             destinations: [{{match: {{kuma.io/service: s}}}}]\n"
        )
    };
    let route = route("a", "", &["{path: {match: PREFIX, value: /}}"]);
    let of = |more: &str| warnings(&with_edge(&format!("{SERVICE}{route}{more}")));
    let closed = [
        "a conf.http.rules[0]: no TrafficPermission lets any gateway with this route reach s, so nothing is served there",
    ];
    assert_eq!(of(mesh), closed);
    assert_eq!(of(&format!("{mesh}{}", permission("web"))), closed);
    assert_eq!(of(&format!("{mesh}{}", permission("edge"))), [""; 0]);
    assert_eq!(of(&permission("web")), [""; 0]);
}
