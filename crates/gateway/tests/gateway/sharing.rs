//! What did not change is the same value, and what did is what a fresh view would make of it.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    certificates::Certificate,
    support::{EDGE, dataplane, resources, view, with_edge},
};
use portolan_gateway::{
    CLUSTER, CLUSTER_LOAD_ASSIGNMENT, Compiled, LISTENER, ROUTE_CONFIGURATION, RUNTIME_LAYER,
    Resources, SECRET, ZoneView,
};
use portolan_model::{Resource, ResourceKey, kinds::MESH_GATEWAY_ROUTE};

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
        SECRET,
    ]
    .into_iter()
    .filter(differ)
    .collect()
}

/// The names of the resources of one type that are not the very same bytes as before.
fn renewed(before: &Compiled, after: &Compiled, type_url: &str) -> Vec<String> {
    let (before, after) = (&before.resources[type_url], &after.resources[type_url]);
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let body = |resources: &Resources, name: &str| Some(resources.get(name)?.body.as_ptr());
    let differ = |name: &&Arc<str>| body(before, name) != body(after, name);
    let differing = names.into_iter().filter(differ);
    differing.map(|name| name.to_string()).collect()
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
    let others = ["web", "shop"].map(|other| {
        SERVICES
            .replace("name: ", &format!("name: {other}-"))
            .replace("service: api", &format!("service: {other}"))
    });
    others.iter().for_each(|yaml| put(&mut view, yaml));
    let before = compile(&mut view);
    put(&mut view, &SERVICES.replace("port: 80", "port: 81"));
    let after = compile(&mut view);
    assert_eq!(changed(&before, &after), [CLUSTER_LOAD_ASSIGNMENT]);
    assert_eq!(after.resources[CLUSTER_LOAD_ASSIGNMENT].len(), 3);
    let [name] = &renewed(&before, &after, CLUSTER_LOAD_ASSIGNMENT)[..] else {
        panic!("one load assignment");
    };
    assert!(name.starts_with("api-"), "{name}");
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
fn a_replaced_certificate_changes_itself_alone() {
    let mut view = view(&format!(
        "{}---\n{SERVICES}{}",
        EDGE.replace(
            "{port: 8080, protocol: HTTP}",
            "{port: 8443, protocol: HTTPS, tls: {mode: TERMINATE, certificates: [{secret: a}, {secret: b}]}}"
        ),
        Certificate::for_host("a.test").secret("a") + &Certificate::for_host("b.test").secret("b"),
    ));
    let before = compile(&mut view);
    put(&mut view, &Certificate::for_host("a.test").secret("a"));
    let after = compile(&mut view);
    assert_eq!(changed(&before, &after), [SECRET]);
    let renewed = renewed(&before, &after, SECRET);
    assert_eq!(renewed, ["cert.ecdsa:secret:a"]);
    assert_eq!(after.resources[SECRET].len(), 2);

    // One that no listener names is nobody's business.
    put(&mut view, &Certificate::for_host("c.test").secret("c"));
    assert!(Arc::ptr_eq(&after, &compile(&mut view)));
}

#[test]
fn no_private_key_is_printed() {
    let certificate = Certificate::for_host("a.test");
    let inline = serde_json::to_string(&certificate.bundle).unwrap();
    let listeners = format!(
        "{{port: 8443, protocol: HTTPS, tls: {{mode: TERMINATE, certificates: [{{secret: a}}, {{inlineString: {inline}}}]}}}}"
    );
    let mut view = view(
        &(EDGE.replace("{port: 8080, protocol: HTTP}", &listeners) + &certificate.secret("a")),
    );
    let compiled = compile(&mut view);
    assert_eq!(compiled.resources[SECRET].len(), 2);
    let printed = format!("{compiled:?}{view:?}");
    // Text, and bytes as `Debug` writes them.
    assert!(!printed.contains("PRIVATE KEY"));
    assert!(!printed.contains(&format!("{:?}", &b"PRIVATE KEY"[..])[1..]));
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

#[test]
fn a_proxy_policy_costs_what_it_is_for() {
    let yaml = with_edge(
        "
type: Mesh
name: default
logging: {backends: [{name: file, type: file, conf: {path: /dev/null}}]}
---
type: MeshGatewayRoute
name: api
selectors: [{match: {kuma.io/service: edge}}]
conf: {http: {rules: [{
  matches: [{path: {match: PREFIX, value: /}}],
  backends: [{destination: {kuma.io/service: api}}]
}]}}
",
    );
    let mut view = view(&yaml);
    let before = view.compile(&dataplane("gateway")).unwrap();
    let put = |view: &mut ZoneView, yaml: &str| {
        resources(yaml)
            .iter()
            .for_each(|resource| view.put(resource));
        view.compile(&dataplane("gateway")).unwrap()
    };
    let same = |one: &Compiled, other: &Compiled, of: &str| {
        Arc::ptr_eq(&one.resources[of], &other.resources[of])
    };

    // Of no concern to listeners.
    let other = put(
        &mut view,
        "{type: Mesh, name: default, logging: {defaultBackend: '', backends: [{name: file, type: file, conf: {path: /dev/null}}]}, metrics: {}}",
    );
    assert!(Arc::ptr_eq(&before, &other));

    let log = "
type: TrafficLog
name: all
sources: [{match: {kuma.io/service: '*'}}]
destinations: [{match: {kuma.io/service: '*'}}]
conf: {backend: file}
";
    let logged = put(&mut view, log);
    assert_ne!(before.resources[LISTENER], logged.resources[LISTENER]);
    assert!(same(&before, &logged, ROUTE_CONFIGURATION) && same(&before, &logged, CLUSTER));

    let template = "
type: ProxyTemplate
name: all
conf: {modifications: [{cluster: {operation: patch, match: {origin: gateway}, value: 'connectTimeout: 1s'}}]}
";
    let patched = put(&mut view, template);
    assert!(same(&logged, &patched, ROUTE_CONFIGURATION));
    assert_eq!(logged.resources[LISTENER], patched.resources[LISTENER]);
    assert_ne!(logged.resources[CLUSTER], patched.resources[CLUSTER]);

    // Who reads lines for collectors has listeners of their own, all others share theirs.
    let one = view
        .compile_with(&dataplane("gateway"), Some("/a"))
        .unwrap();
    assert!(Arc::ptr_eq(&one, &patched));

    for key in ["ProxyTemplate", "TrafficLog"] {
        let kind = portolan_model::Kind::by_name(key).unwrap();
        view.remove(&ResourceKey::in_mesh(kind, "default", "all"));
    }
    let after = view.compile(&dataplane("gateway")).unwrap();
    assert_eq!(before.resources, after.resources);
}
