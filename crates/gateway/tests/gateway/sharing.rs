//! What did not change is the same value, and what did is what a fresh view would make of it.

use std::sync::Arc;

use portolan_gateway::{
    CLUSTER, CLUSTER_LOAD_ASSIGNMENT, Compiled, LISTENER, ROUTE_CONFIGURATION, RUNTIME_LAYER,
    ZoneView,
};
use portolan_model::{Resource, ResourceKey, kinds::MESH_GATEWAY_ROUTE};
use proptest::prelude::*;

use crate::support::{EDGE, ZONE, dataplane, resources, view};

const SERVICES: &str = "
type: MeshGatewayRoute
name: api
selectors: [{match: {kuma.io/service: edge}}]
conf: {http: {rules: [{
  matches: [{path: {match: PREFIX, value: /}}], backends: [{destination: {kuma.io/service: api}}]
}]}}
---
type: Dataplane
name: member
networking: {address: 10.0.0.1, inbound: [{port: 80, tags: {kuma.io/service: api}}]}
";

fn start() -> ZoneView {
    view(&format!("{EDGE}---\n{SERVICES}"))
}

fn put(view: &mut ZoneView, yaml: &str) {
    for resource in resources(yaml) {
        view.put(&resource);
    }
}

fn compile(view: &mut ZoneView) -> Arc<Compiled> {
    view.compile(&dataplane("gateway")).unwrap()
}

/// The types whose resources are other values than before.
fn changed(before: &Compiled, after: &Compiled) -> Vec<&'static str> {
    let differ = |type_url: &&'static str| {
        !Arc::ptr_eq(&before.resources[*type_url], &after.resources[*type_url])
    };
    [
        CLUSTER,
        CLUSTER_LOAD_ASSIGNMENT,
        LISTENER,
        ROUTE_CONFIGURATION,
        RUNTIME_LAYER,
    ]
    .into_iter()
    .filter(differ)
    .collect()
}

#[test]
fn nothing_new_gives_the_same_value() {
    let mut view = start();
    let before = compile(&mut view);
    assert!(Arc::ptr_eq(&before, &compile(&mut view)));

    // Neither the same again nor what the gateway does not depend on makes a difference.
    put(&mut view, SERVICES);
    put(
        &mut view,
        &SERVICES
            .replace("service: edge", "service: other")
            .replace("name: ", "name: other-"),
    );
    put(&mut view, "{type: Mesh, name: default}");
    assert!(Arc::ptr_eq(&before, &compile(&mut view)));
}

#[test]
fn an_endpoint_changes_one_load_assignment() {
    let mut view = start();
    let before = compile(&mut view);
    put(&mut view, &SERVICES.replace("port: 80", "port: 81"));
    assert_eq!(
        changed(&before, &compile(&mut view)),
        [CLUSTER_LOAD_ASSIGNMENT]
    );
}

#[test]
fn a_route_to_a_known_service_changes_the_table_alone() {
    let mut view = start();
    let before = compile(&mut view);
    put(
        &mut view,
        &SERVICES
            .replace("name: api", "name: other")
            .replace("value: /", "value: /a"),
    );
    assert_eq!(changed(&before, &compile(&mut view)), [ROUTE_CONFIGURATION]);
}

#[test]
fn a_deleted_route_takes_its_cluster_along() {
    let mut view = start();
    let before = compile(&mut view);
    view.remove(&ResourceKey::in_mesh(MESH_GATEWAY_ROUTE, "default", "api"));
    let after = compile(&mut view);
    assert_eq!(
        changed(&before, &after),
        [CLUSTER, CLUSTER_LOAD_ASSIGNMENT, ROUTE_CONFIGURATION]
    );
    assert!(after.resources[CLUSTER].is_empty());
}

#[test]
fn instances_of_one_gateway_share_what_is_equal() {
    let mut view = start();
    put(&mut view, &EDGE.replace("name: gateway", "name: twin"));
    put(
        &mut view,
        &EDGE
            .replace("name: gateway", "name: elsewhere")
            .replace("127.0.0.1", "127.0.0.2"),
    );
    let first = compile(&mut view);
    assert!(Arc::ptr_eq(
        &first,
        &view.compile(&dataplane("twin")).unwrap()
    ));
    let elsewhere = view.compile(&dataplane("elsewhere")).unwrap();
    assert_eq!(changed(&first, &elsewhere), [LISTENER]);
}

/// Routes by name and service, each with a path of its own.
fn many(routes: impl Iterator<Item = (usize, &'static str)>) -> Vec<Arc<Resource>> {
    let route = |(number, service): (usize, &str)| {
        SERVICES
            .split("---")
            .next()
            .unwrap()
            .replace("name: api", &format!("name: r{number}"))
            .replace("value: /", &format!("value: /{number}"))
            .replace("service: api", &format!("service: {service}"))
    };
    resources(&routes.map(route).collect::<Vec<_>>().join("---"))
}

#[test]
fn many_changes_at_once_are_as_good_as_one_by_one() {
    let before = many((0..300).map(|number| (number, "api")));
    let after = many((0..300).step_by(2).map(|number| (number, "web")));
    let gone: Vec<_> = (1..300)
        .step_by(3)
        .map(|number| before[number].key.clone())
        .collect();

    let mut at_once = start();
    before.iter().for_each(|resource| at_once.put(resource));
    compile(&mut at_once);
    after.iter().for_each(|resource| at_once.put(resource));
    gone.iter().for_each(|key| at_once.remove(key));

    let mut one_by_one = start();
    before.iter().for_each(|resource| one_by_one.put(resource));
    compile(&mut one_by_one);
    for resource in &after {
        one_by_one.put(resource);
        compile(&mut one_by_one);
    }
    for key in &gone {
        one_by_one.remove(key);
        compile(&mut one_by_one);
    }
    assert!(compile(&mut at_once).resources == compile(&mut one_by_one).resources);
}

#[test]
fn views_and_configurations_go_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<ZoneView>();
    check::<Compiled>();
}

#[test]
fn an_instance_that_is_gone_has_no_configuration() {
    let mut view = start();
    compile(&mut view);
    view.remove(&dataplane("gateway"));
    assert!(view.compile(&dataplane("gateway")).is_none());
}

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

#[derive(Clone, Debug)]
enum Step {
    Put(usize),
    Remove(usize),
    Compile,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..15_usize).prop_map(Step::Put),
        2 => (0..15_usize).prop_map(Step::Remove),
        2 => Just(Step::Compile),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_history_ends_in_what_a_fresh_view_makes(steps in steps()) {
        let candidates = candidates();
        prop_assert_eq!(candidates.len(), 15);
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
