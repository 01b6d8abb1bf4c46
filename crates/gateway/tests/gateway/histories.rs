//! Whatever happened and in whatever order, what comes out is what a fresh view makes of the same resources.

use std::sync::Arc;

use portolan_gateway::ZoneView;
use portolan_model::Resource;
use proptest::prelude::*;

use crate::{
    certificates::{ECDSA, RSA},
    support::{EDGE, ZONE, dataplane, resources},
};

/// Resources that get in each other's way, several versions of each.
fn candidates() -> Vec<Arc<Resource>> {
    let mut yaml = String::from(EDGE);
    for (name, selector, tag) in [
        ("edge", "edge", "a"),
        ("edge", "edge", "b"),
        ("rival", "'*'", "a"),
    ] {
        yaml += &format!(
            "
---
type: MeshGateway
name: {name}
selectors: [{{match: {{kuma.io/service: {selector}}}}}]
conf: {{listeners: [
  {{port: 8080, protocol: HTTP, tags: {{l: {tag}}}}},
  {{port: 8080, protocol: HTTP, hostname: '*.test', tags: {{l: wild}}}}
]}}
"
        );
    }
    for (name, selector, hostnames, service) in [
        ("r1", "kuma.io/service: edge", "", "api"),
        ("r1", "l: wild", "a.test, b.test", "web"),
        ("r2", "l: a", "'*.a.test'", "api"),
        ("r2", "l: '*'", "x.a.test", "api"),
        ("r3", "l: wild", "", "web"),
        ("r3", "l: none", "", "web"),
    ] {
        yaml += &format!(
            "
---
type: MeshGatewayRoute
name: {name}
selectors: [{{match: {{{selector}}}}}]
conf: {{http: {{hostnames: [{hostnames}], rules: [{{
  matches: [{{path: {{match: PREFIX, value: /}}}}, {{path: {{match: EXACT, value: /{name}}}}}],
  backends: [{{destination: {{kuma.io/service: {service}}}}}]
}}]}}}}
"
        );
    }
    yaml += &encrypted_candidates();
    yaml += EXTERNAL_CANDIDATES;
    for (name, service, protocol) in [
        ("m1", "api", "http"),
        ("m1", "web", "http2"),
        ("m2", "api", "grpc"),
        ("m2", "api", "http"),
    ] {
        yaml += &format!(
            "
---
type: Dataplane
name: {name}
networking: {{address: 10.0.0.1, inbound: [
  {{port: 80, tags: {{kuma.io/service: {service}, kuma.io/protocol: {protocol}}}}}
]}}
"
        );
    }
    resources(&yaml)
}

/// Listeners of every protocol, and what they need.
fn encrypted_candidates() -> String {
    let mut yaml = format!(
        "
---
type: MeshGateway
name: edge
selectors: [{{match: {{kuma.io/service: edge}}}}]
conf: {{listeners: [
  {{port: 8080, protocol: HTTP, tags: {{l: a}}}},
  {{port: 8443, protocol: HTTPS, hostname: a.test, tls: {{mode: TERMINATE, certificates: [{{secret: s1}}]}}}},
  {{port: 8443, protocol: HTTPS, tls: {{mode: TERMINATE, certificates: [{{secret: s1}}, {{secret: s2}}]}}}},
  {{port: 9443, protocol: TLS, hostname: a.test, tls: {{mode: TERMINATE, certificates: [{{secret: s2}}]}}}},
  {{port: 9443, protocol: TLS, hostname: '*.test', tls: {{mode: PASSTHROUGH}}, tags: {{l: wild}}}},
  {{port: 9090, protocol: TCP, tags: {{l: a}}}}
]}}
{}{}---
type: Secret
name: s1
data: bm8gUEVN
{}",
        RSA.secret("s1"),
        ECDSA.secret("s1"),
        ECDSA.secret("s2"),
    );
    for (name, selector, service, weight) in [
        ("r1", "kuma.io/service: edge", "api", 1),
        ("r4", "l: a", "web", 2),
        ("r4", "kuma.io/service: '*'", "web", 3),
    ] {
        yaml += &format!(
            "
---
type: MeshGatewayRoute
name: {name}
selectors: [{{match: {{{selector}}}}}]
conf: {{tcp: {{rules: [{{backends: [
  {{destination: {{kuma.io/service: {service}}}, weight: {weight}}},
  {{destination: {{kuma.io/service: api}}, weight: 1}}
]}}]}}}}
"
        );
    }
    yaml
}

/// External services beside members of the same name, and what decides who reaches them and how.
const EXTERNAL_CANDIDATES: &str = "
---
type: ExternalService
name: x1
tags: {kuma.io/service: api, kuma.io/protocol: http2}
networking: {address: '10.9.0.1:80'}
---
type: ExternalService
name: x1
tags: {kuma.io/service: web}
networking:
  address: web.example.com:443
  tls: {enabled: true, caCert: {secret: s1}, clientCert: {secret: s2}, clientKey: {secret: s2}}
---
type: ExternalService
name: x2
tags: {kuma.io/service: api, kuma.io/zone: west}
networking:
  address: api.example.com:443
  tls: {enabled: true, clientCert: {secret: s1}, clientKey: {secret: s1}}
---
type: TrafficPermission
name: p1
sources: [{match: {kuma.io/service: '*'}}]
destinations: [{match: {kuma.io/service: '*'}}]
---
type: TrafficPermission
name: p1
sources: [{match: {kuma.io/service: other}}]
destinations: [{match: {kuma.io/service: api}}]
---
type: TrafficPermission
name: p2
sources: [{match: {kuma.io/service: edge}}]
destinations: [{match: {kuma.io/zone: west}}]
---
type: Mesh
name: default
routing: {localityAwareLoadBalancing: true}
---
type: Dataplane
name: gateway
networking:
  address: fd00::9
  gateway: {type: BUILTIN, tags: {kuma.io/service: edge}}
";

/// How many candidates there are.
const CANDIDATES: usize = 31;

#[derive(Clone, Debug)]
enum Step {
    Put(usize),
    Remove(usize),
    Compile,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..CANDIDATES).prop_map(Step::Put),
        2 => (0..CANDIDATES).prop_map(Step::Remove),
        2 => Just(Step::Compile),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_history_ends_in_what_a_fresh_view_makes(steps in steps()) {
        let candidates = candidates();
        prop_assert_eq!(candidates.len(), CANDIDATES);
        let mut view = ZoneView::new(ZONE);
        let mut state = std::collections::BTreeMap::new();
        for step in steps {
            match step {
                Step::Put(position) => {
                    view.put(&candidates[position]);
                    state.insert(candidates[position].key.clone(), candidates[position].clone());
                }
                Step::Remove(position) => {
                    view.remove(&candidates[position].key);
                    state.remove(&candidates[position].key);
                }
                Step::Compile => {
                    view.compile(&dataplane("gateway"));
                }
            }
        }
        // The other way around, so that nothing depends on what comes first.
        let mut fresh = ZoneView::new(ZONE);
        state.values().rev().for_each(|resource| fresh.put(resource));

        let ours = view.compile(&dataplane("gateway"));
        let theirs = fresh.compile(&dataplane("gateway"));
        prop_assert_eq!(ours.is_some(), theirs.is_some());
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            prop_assert_eq!(&ours.gateway, &theirs.gateway);
            prop_assert_eq!(&ours.faults, &theirs.faults);
            prop_assert!(ours.resources == theirs.resources);
        }
    }
}
