//! Policies come and go, and are told of.

use std::sync::Arc;

use portolan_gateway::{
    Compiled, ZoneView,
    explain::{PolicyTaken, Request, explain},
    plan::policy::CONNECTION_POLICIES,
};
use portolan_model::Resource;

use crate::{
    golden,
    support::{EDGE, ZONE, chart, dataplane, resources},
};

fn compile(view: &mut ZoneView) -> Arc<Compiled> {
    view.compile(&dataplane("gateway"))
        .expect("a gateway instance")
}

fn view_of<'a>(resources: impl Iterator<Item = &'a Arc<Resource>>) -> ZoneView {
    let mut view = ZoneView::new(ZONE);
    resources.for_each(|resource| view.put(resource));
    view
}

fn assert_same(left: &Compiled, right: &Compiled, when: &str) {
    assert_eq!(left.resources, right.resources, "{when}");
    assert_eq!(left.faults, right.faults, "{when}");
}

#[test]
fn a_policy_that_goes_leaves_nothing_and_one_that_comes_later_does_the_same() {
    let mut seen = 0;
    for (name, input) in golden::inputs() {
        let all = resources(&input);
        let is_policy =
            |resource: &&Arc<Resource>| CONNECTION_POLICIES.contains(&resource.key.kind);
        let policies: Vec<_> = all.iter().filter(is_policy).collect();
        if policies.is_empty() {
            continue;
        }
        seen += 1;
        let others = all.iter().filter(|resource| !is_policy(resource));
        let with = compile(&mut view_of(all.iter()));
        let without = compile(&mut view_of(others));

        let mut view = view_of(all.iter());
        compile(&mut view);
        for policy in &policies {
            view.remove(&policy.key);
        }
        assert_same(
            &compile(&mut view),
            &without,
            &format!("{name} when they went"),
        );
        for policy in &policies {
            view.put(policy);
        }
        assert_same(
            &compile(&mut view),
            &with,
            &format!("{name} when they came again"),
        );
    }
    assert!(seen > 5);
}

/// A route of requests to services `cart` and `shop`, and one of connections to `cart` on port 9000.
const ROUTES: &str = "
---
type: MeshGateway
name: edge
selectors: [{match: {kuma.io/service: edge}}]
conf: {listeners: [{port: 8080, protocol: HTTP}, {port: 9000, protocol: TCP}]}
---
type: MeshGatewayRoute
name: requests
selectors: [{match: {kuma.io/service: edge}}]
conf: {http: {rules: [{
  matches: [{path: {match: PREFIX, value: /}}],
  backends: [{destination: {kuma.io/service: cart}, weight: 1}, {destination: {kuma.io/service: shop}, weight: 1}]
}]}}
---
type: MeshGatewayRoute
name: connections
selectors: [{match: {kuma.io/service: edge}}]
conf: {tcp: {rules: [{backends: [{destination: {kuma.io/service: cart}}]}]}}
";

/// Kind, `conf`, and where a policy for `cart` is told: the route of requests, its backend `cart`, the route
/// of connections, its backend.
const TOLD: [(&str, &str, [bool; 4]); 10] = [
    (
        "Timeout",
        "{http: {requestTimeout: 1s}}",
        [true, true, false, true],
    ),
    (
        "Timeout",
        "{tcp: {idleTimeout: 1s}}",
        [true, true, true, true],
    ),
    (
        "RateLimit",
        "{http: {requests: 1, interval: 1s}}",
        [true, false, false, false],
    ),
    ("RateLimit", "{}", [false, false, false, false]),
    (
        "CircuitBreaker",
        "{thresholds: {maxConnections: 1}}",
        [false, true, false, true],
    ),
    (
        "HealthCheck",
        "{interval: 1s, timeout: 1s, healthyThreshold: 1, unhealthyThreshold: 1}",
        [false, true, false, true],
    ),
    (
        "FaultInjection",
        "{abort: {percentage: 1, httpStatus: 500}}",
        [true, false, false, false],
    ),
    (
        "Retry",
        "{http: {numRetries: 1}}",
        [true, false, false, false],
    ),
    (
        "Retry",
        "{grpc: {numRetries: 1}}",
        [true, false, false, false],
    ),
    (
        "Retry",
        "{tcp: {maxConnectAttempts: 1}}",
        [false, false, true, false],
    ),
];

#[test]
fn a_policy_is_told_where_it_acts() {
    let told = |policies: &[PolicyTaken]| policies.iter().any(|one| one.name == "policy");
    for (kind, conf, expected) in TOLD {
        let policy = format!(
            "
---
type: {kind}
name: policy
sources: [{{match: {{kuma.io/service: edge}}}}]
destinations: [{{match: {{kuma.io/service: cart}}}}]
conf: {conf}
"
        );
        let chart = chart(&[EDGE, ROUTES, &policy].concat());
        let answer = |port| {
            let request = Request {
                host: "any.test".to_owned(),
                path: "/".to_owned(),
                method: "GET".to_owned(),
                headers: Vec::new(),
                port: Some(port),
                protocol: None,
                sni: None,
            };
            let explanation = explain(&chart, "edge", &request, None).unwrap();
            explanation.answers.into_iter().next().unwrap()
        };
        let route = answer(8080).route.unwrap();
        let connection = answer(9000).connection.unwrap();
        let is = [
            told(&route.policies),
            told(&route.backends[0].policies),
            told(&connection.policies),
            told(&connection.backends[0].policies),
        ];
        assert_eq!(is, expected, "{kind} {conf}");
    }
}
