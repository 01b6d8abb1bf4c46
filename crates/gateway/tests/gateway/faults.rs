//! One broken part breaks itself alone.

use portolan_gateway::LISTENER;

use crate::support::{
    EDGE, compile, dataplane, redirecting, resources, routes_of, view, virtual_hosts, with_edge,
};

/// The faults as text, from resources beside the gateway's.
fn faults(yaml: &str) -> Vec<String> {
    compile(&with_edge(yaml))
        .faults
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn route(rule: &str) -> String {
    format!(
        "
type: MeshGatewayRoute
name: broken
selectors: [{{match: {{kuma.io/service: edge}}}}]
conf: {{http: {{rules: [{rule}]}}}}
"
    )
}

const TO_API: &str = "backends: [{destination: {kuma.io/service: api}}]";
const ALL: &str = "matches: [{path: {match: PREFIX, value: /}}]";

#[test]
fn a_broken_match_is_left_out_alone() {
    let yaml = route(&format!(
        "{{matches: [{{path: {{match: REGEX, value: '('}}}}, {{path: {{match: EXACT, value: /a}}}}], {TO_API}}}"
    ));
    let faults = faults(&yaml);
    assert_eq!(faults.len(), 1);
    assert!(faults[0].starts_with(
        "MeshGatewayRoute/default/broken: conf.http.rules[0].matches[0].path.value: \"(\" is not"
    ));
    assert_eq!(
        virtual_hosts(&compile(&with_edge(&yaml)), 8080)[0]
            .routes
            .len(),
        1
    );
}

#[test]
fn every_broken_rule_is_told_with_its_field() {
    for (rule, field) in [
        (
            format!("{{matches: [{{path: {{match: PREFIX, value: a}}}}], {TO_API}}}"),
            "matches[0].path.value",
        ),
        (
            format!("{{matches: [{{path: {{match: EXACT, value: '/a?b'}}}}], {TO_API}}}"),
            "matches[0].path.value",
        ),
        (
            format!("{{matches: [{{headers: [{{name: 'a b', value: c}}]}}], {TO_API}}}"),
            "matches[0].headers[0]",
        ),
        (
            format!(
                "{{matches: [{{headers: [{{name: a, match: REGEX, value: '['}}]}}], {TO_API}}}"
            ),
            "matches[0].headers[0]",
        ),
        (
            format!("{{matches: [{{queryParameters: [{{name: '', value: c}}]}}], {TO_API}}}"),
            "matches[0].queryParameters[0]",
        ),
        (format!("{{{ALL}}}"), "backends"),
        (
            format!("{{{ALL}, backends: [{{destination: {{version: v1}}}}]}}"),
            "backends[0].destination",
        ),
        (
            format!(
                "{{{ALL}, backends: [{{destination: {{kuma.io/service: a}}}}, {{destination: {{kuma.io/service: b}}}}]}}"
            ),
            "backends",
        ),
        (
            format!(
                "{{{ALL}, backends: [{{weight: 4294967295, destination: {{kuma.io/service: a}}}}, {{weight: 1, destination: {{kuma.io/service: b}}}}]}}"
            ),
            "backends",
        ),
        (
            format!("{{{ALL}, filters: [{{redirect: {{statusCode: 305}}}}]}}"),
            "filters[0].redirect.statusCode",
        ),
        (
            format!("{{{ALL}, filters: [{{redirect: {{statusCode: 301, port: 70000}}}}]}}"),
            "filters[0].redirect.port",
        ),
        (
            format!("{{{ALL}, filters: [{{redirect: {{statusCode: 301}}}}], {TO_API}}}"),
            "filters",
        ),
        (
            format!("{{{ALL}, filters: [{{}}], {TO_API}}}"),
            "filters[0]",
        ),
        (
            format!(
                "{{{ALL}, filters: [{{requestHeader: {{add: [{{name: ':path', value: x}}]}}}}], {TO_API}}}"
            ),
            "filters[0].requestHeader.add",
        ),
        (
            format!(
                "{{{ALL}, filters: [{{requestHeader: {{set: [{{name: a, value: '100%'}}]}}}}], {TO_API}}}"
            ),
            "filters[0].requestHeader.set",
        ),
        (
            format!("{{{ALL}, filters: [{{responseHeader: {{remove: [host]}}}}], {TO_API}}}"),
            "filters[0].responseHeader.remove",
        ),
        (
            format!("{{{ALL}, filters: [{{mirror: {{percentage: 5}}}}], {TO_API}}}"),
            "filters[0].mirror.backend.destination",
        ),
    ] {
        let faults = faults(&route(&rule));
        assert_eq!(faults.len(), 1, "{rule}");
        let expected = format!("MeshGatewayRoute/default/broken: conf.http.rules[0].{field}: ");
        assert!(faults[0].starts_with(&expected), "{} for {rule}", faults[0]);
    }
}

#[test]
fn a_route_whose_hostnames_are_none_serves_none() {
    let broken = redirecting("broken", "hostnames: ['a b'],", "[{method: GET}]");
    let good = redirecting("good", "hostnames: ['a b', a.test],", "[{method: GET}]");
    let compiled = compile(&format!("{EDGE}{broken}{good}"));
    assert_eq!(compiled.faults.len(), 2);
    let hosts = virtual_hosts(&compiled, 8080);
    let found: Vec<_> = hosts
        .iter()
        .map(|host| (host.name.as_str(), routes_of(host)))
        .collect();
    assert_eq!(
        found,
        [
            ("a.test", vec!["good".to_owned()]),
            ("*", vec!["nothing".to_owned()])
        ]
    );
}

#[test]
fn a_broken_listener_is_left_out_alone() {
    let gateway = "
type: Dataplane
name: gateway
networking:
  address: 127.0.0.1
  gateway: {type: BUILTIN, tags: {kuma.io/service: edge}}
---
type: MeshGateway
name: edge
selectors: [{match: {kuma.io/service: edge}}]
conf:
  listeners:
  - {port: 8443, protocol: HTTPS}
  - {port: 8080, protocol: HTTP, hostname: 'a b'}
  - {port: 8080, protocol: HTTP, hostname: a.test}
  - {port: 8080, protocol: HTTP, hostname: A.test}
  - {port: 8080, protocol: TCP}
  - {port: 70000, protocol: HTTP}
  - {port: 8081, protocol: HTTP, crossMesh: true}
";
    let compiled = compile(gateway);
    let fields: Vec<_> = compiled
        .faults
        .iter()
        .map(|fault| fault.field.as_str())
        .collect();
    assert_eq!(
        fields,
        [
            "conf.listeners[0].tls",
            "conf.listeners[1].hostname",
            "conf.listeners[3].hostname",
            "conf.listeners[4].protocol",
            "conf.listeners[5].port",
            "conf.listeners[6].crossMesh",
        ]
    );
    assert_eq!(compiled.resources[LISTENER].len(), 1);
    assert_eq!(virtual_hosts(&compiled, 8080)[0].name, "a.test");
}

#[test]
fn an_address_that_is_none_leaves_out_what_needs_it() {
    let unreachable = "
type: Dataplane
name: member
networking:
  address: a.name
  inbound: [{port: 80, tags: {kuma.io/service: api}}]
---
"
    .to_owned()
        + &route(&format!("{{{ALL}, {TO_API}}}"));
    let found = faults(&unreachable);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("Dataplane/default/member: networking.inbound[0]: \"a.name\""));

    let compiled = compile(&EDGE.replace("127.0.0.1", "a.name"));
    assert!(compiled.resources[LISTENER].is_empty());
    assert_eq!(compiled.faults[0].field, "networking.address");
}

#[test]
fn a_fault_goes_when_its_cause_goes() {
    let mut gateways = view(&with_edge(&route(&format!("{{{ALL}}}"))));
    assert_eq!(
        gateways
            .compile(&dataplane("gateway"))
            .unwrap()
            .faults
            .len(),
        1
    );
    for resource in resources(&route(&format!("{{{ALL}, {TO_API}}}"))) {
        gateways.put(&resource);
    }
    assert!(
        gateways
            .compile(&dataplane("gateway"))
            .unwrap()
            .faults
            .is_empty()
    );
}
