//! DELEGATED gateway instances: an outbound is a listener, a service is a cluster.

use std::sync::Arc;

use envoy_types::pb::envoy::config::listener::v3::Listener;
use portolan_gateway::{
    CLUSTER, CLUSTER_LOAD_ASSIGNMENT, Compiled, LISTENER, ROUTE_CONFIGURATION, ZoneView,
};
use proptest::{prelude::*, sample::select};
use prost::Message;

use crate::support::{ZONE, dataplane, resources, view};

/// A DELEGATED instance of service `kong` with these outbounds.
fn instance(name: &str, outbounds: &str) -> String {
    format!(
        "
---
type: Dataplane
name: {name}
networking:
  address: 10.0.0.9
  gateway: {{type: DELEGATED, tags: {{kuma.io/service: kong}}}}
  outbound: [{outbounds}]
"
    )
}

/// A Dataplane with one inbound of these tags.
fn member(name: &str, address: &str, tags: &str) -> String {
    format!(
        "
---
type: Dataplane
name: {name}
networking: {{address: {address}, inbound: [{{port: 80, tags: {{{tags}}}}}]}}
"
    )
}

const API: &str = "kuma.io/service: api, kuma.io/protocol: http";
const TO_API: &str = "{port: 10001, tags: {kuma.io/service: api}}";
const TO_WEB: &str = "{port: 10002, tags: {kuma.io/service: web}}";

fn put(view: &mut ZoneView, yaml: &str) {
    for resource in resources(yaml) {
        view.put(&resource);
    }
}

fn compile(view: &mut ZoneView, name: &str) -> Arc<Compiled> {
    view.compile(&dataplane(name)).unwrap()
}

fn names<'a>(compiled: &'a Compiled, type_url: &str) -> Vec<&'a str> {
    compiled.resources[type_url]
        .keys()
        .map(|name| &**name)
        .collect()
}

/// The resources of any type that are other ones than before.
fn changed(before: &Compiled, after: &Compiled) -> Vec<String> {
    let resources = after.resources.iter();
    let resources = resources.flat_map(|(type_url, of_type)| {
        let before = &before.resources[type_url];
        let differ = of_type
            .iter()
            .filter(|(name, one)| before.get(*name) != Some(one));
        differ.map(|(name, _)| format!("{} {name}", type_url.rsplit('.').next().unwrap()))
    });
    resources.collect()
}

#[test]
fn names_are_those_of_kuma() {
    let mut view = view(&instance("gateway", &format!("{TO_API}, {TO_WEB}")));
    let compiled = compile(&mut view, "gateway");
    let listeners = ["outbound:127.0.0.1:10001", "outbound:127.0.0.1:10002"];
    assert_eq!(names(&compiled, LISTENER), listeners);
    assert_eq!(names(&compiled, CLUSTER), ["api", "web"]);
    assert_eq!(names(&compiled, CLUSTER_LOAD_ASSIGNMENT), ["api", "web"]);
    assert!(names(&compiled, ROUTE_CONFIGURATION).is_empty());
    assert!(compiled.is_delegated && compiled.gateway.is_none());
}

#[test]
fn instances_with_equal_tags_and_outbounds_share_one_value() {
    let all = format!(
        "{}{}{}",
        instance("gateway", &format!("{TO_API}, {TO_WEB}")),
        instance("second", &format!("{TO_WEB}, {TO_API}")),
        instance("other", TO_API)
    );
    let mut view = view(&all);
    let first = compile(&mut view, "gateway");
    assert!(Arc::ptr_eq(&first, &compile(&mut view, "second")));
    assert!(!Arc::ptr_eq(&first, &compile(&mut view, "other")));

    view.remove(&dataplane("gateway"));
    assert!(view.compile(&dataplane("gateway")).is_none());
    assert!(Arc::ptr_eq(&first, &compile(&mut view, "second")));
}

#[test]
fn an_endpoint_changes_one_load_assignment() {
    let outbounds = format!("{TO_API}, {TO_WEB}");
    let all = instance("gateway", &outbounds) + &member("one", "10.0.0.1", API);
    let mut view = view(&all);
    let before = compile(&mut view, "gateway");
    put(&mut view, &member("two", "10.0.0.2", API));
    let after = compile(&mut view, "gateway");
    assert_eq!(changed(&before, &after), ["ClusterLoadAssignment api"]);

    // Neither the same again nor a service that nobody asks for makes a difference.
    put(&mut view, &member("two", "10.0.0.2", API));
    put(
        &mut view,
        &member("three", "10.0.0.3", "kuma.io/service: other"),
    );
    assert!(Arc::ptr_eq(&after, &compile(&mut view, "gateway")));
}

#[test]
fn the_listener_follows_what_the_service_speaks() {
    let all = instance("gateway", &format!("{TO_API}, {TO_WEB}"));
    let mut view = view(&all);
    let filter = |compiled: &Compiled| {
        let body = compiled.resources[LISTENER]["outbound:127.0.0.1:10001"]
            .body
            .clone();
        let listener = Listener::decode(body).unwrap();
        listener.filter_chains[0].filters[0].name.clone()
    };
    let before = compile(&mut view, "gateway");
    assert_eq!(filter(&before), "envoy.filters.network.tcp_proxy");
    put(&mut view, &member("one", "10.0.0.1", API));
    let after = compile(&mut view, "gateway");
    assert_eq!(
        filter(&after),
        "envoy.filters.network.http_connection_manager"
    );
    assert_eq!(
        changed(&before, &after),
        [
            "Cluster api",
            "ClusterLoadAssignment api",
            "Listener outbound:127.0.0.1:10001"
        ]
    );
}

#[test]
fn an_instance_may_become_builtin_and_back() {
    let delegated = instance("gateway", TO_API);
    let mut view = view(&delegated);
    let before = compile(&mut view, "gateway");
    put(
        &mut view,
        "
type: Dataplane
name: gateway
networking: {address: 10.0.0.9, gateway: {type: BUILTIN, tags: {kuma.io/service: kong}}}
",
    );
    let builtin = compile(&mut view, "gateway");
    assert!(!builtin.is_delegated && names(&builtin, LISTENER).is_empty());
    put(&mut view, &delegated);
    assert!(compile(&mut view, "gateway").resources == before.resources);
}

#[test]
fn what_is_left_out_is_told_of_a_dataplane_that_is_there() {
    let broken = "{port: 0, tags: {kuma.io/service: api}}";
    let mut view = view(&(instance("a", broken) + &instance("b", broken)));
    let told = |compiled: &Compiled| compiled.faults[0].to_string();
    let reason = "networking.outbound[0].port: 0 is not a port; use one between 1 and 65535";
    let fault = told(&compile(&mut view, "b"));
    assert_eq!(fault, format!("Dataplane/default/a: {reason}"));
    view.remove(&dataplane("a"));
    let fault = told(&compile(&mut view, "b"));
    assert_eq!(fault, format!("Dataplane/default/b: {reason}"));
}

/// Dataplanes that get in each other's way, several versions of each.
fn candidates() -> Vec<String> {
    let mut all = Vec::new();
    for name in ["gateway", "second"] {
        for outbounds in [
            TO_API,
            TO_WEB,
            "{port: 10001, tags: {kuma.io/service: api, version: v1}}",
            "{port: 10001, tags: {kuma.io/service: api}}, {port: 10001, tags: {kuma.io/service: web}}",
        ] {
            all.push(instance(name, outbounds));
        }
    }
    for name in ["one", "two"] {
        for tags in [
            API,
            "kuma.io/service: api, version: v1",
            "kuma.io/service: web",
        ] {
            all.push(member(name, "10.0.0.1", tags));
        }
    }
    all.push(member("one", "a.name", API));
    all
}

#[derive(Clone, Debug)]
enum Step {
    Put(String),
    Remove(&'static str),
    Compile,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => select(candidates()).prop_map(Step::Put),
        2 => select(vec!["gateway", "second", "one", "two"]).prop_map(Step::Remove),
        2 => Just(Step::Compile),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_history_ends_in_what_a_fresh_view_makes(steps in steps()) {
        let mut view = ZoneView::new(ZONE);
        let mut state = std::collections::BTreeMap::new();
        for step in steps {
            match step {
                Step::Put(yaml) => for resource in resources(&yaml) {
                    view.put(&resource);
                    state.insert(resource.key.clone(), resource);
                },
                Step::Remove(name) => {
                    view.remove(&dataplane(name));
                    state.remove(&dataplane(name));
                }
                Step::Compile => {
                    view.compile(&dataplane("gateway"));
                }
            }
        }
        let mut fresh = ZoneView::new(ZONE);
        state.values().rev().for_each(|resource| fresh.put(resource));
        for name in ["gateway", "second"] {
            let ours = view.compile(&dataplane(name));
            let theirs = fresh.compile(&dataplane(name));
            prop_assert_eq!(ours.is_some(), theirs.is_some());
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                prop_assert_eq!(&ours.faults, &theirs.faults);
                prop_assert!(ours.resources == theirs.resources);
            }
        }
    }
}
