//! Mutual TLS and members: what changes with what, and that the way to a state does not matter.

use std::sync::Arc;

use portolan_gateway::{
    CLUSTER, CLUSTER_LOAD_ASSIGNMENT, Compiled, LISTENER, ROUTE_CONFIGURATION, ZoneView,
};
use portolan_model::{ResourceKey, kinds};

use crate::support::{dataplane, resources, view, with_edge};

const API: &str = "
type: Dataplane
name: api
networking:
  address: 10.0.0.1
  inbound: [{port: 80, servicePort: 8080, tags: {kuma.io/service: api, kuma.io/protocol: http}}]
  outbound: [{port: 10001, tags: {kuma.io/service: api}}]
---
type: MeshGatewayRoute
name: api
selectors: [{match: {kuma.io/service: edge}}]
conf: {http: {rules: [{
  matches: [{path: {match: PREFIX, value: /}}],
  backends: [{weight: 1, destination: {kuma.io/service: api}}]
}]}}
";

const STRICT: &str = "
type: Mesh
name: default
mtls: {enabledBackend: ca-1, backends: [{name: ca-1, type: builtin}]}
";

const PERMISSIVE: &str = "
type: Mesh
name: default
mtls: {enabledBackend: ca-1, backends: [{name: ca-1, type: builtin, mode: PERMISSIVE}]}
";

const PERMISSION: &str = "
type: TrafficPermission
name: edge
sources: [{match: {kuma.io/service: edge}}]
destinations: [{match: {kuma.io/service: api}}]
";

fn put(view: &mut ZoneView, yaml: &str) {
    for resource in resources(yaml) {
        view.put(&resource);
    }
}

fn same(one: &Compiled, other: &Compiled, type_url: &str) -> bool {
    Arc::ptr_eq(&one.resources[type_url], &other.resources[type_url])
}

#[test]
fn mutual_tls_changes_the_clusters_of_gateways_and_nothing_else() {
    let mut view = view(&with_edge(API));
    let gateway = dataplane("gateway");
    let before = view.compile(&gateway).unwrap();
    put(&mut view, STRICT);
    let after = view.compile(&gateway).unwrap();
    assert_ne!(before.resources[CLUSTER], after.resources[CLUSTER]);
    for type_url in [ROUTE_CONFIGURATION, LISTENER, CLUSTER_LOAD_ASSIGNMENT] {
        assert!(same(&before, &after, type_url), "{type_url}");
    }
    // What else a Mesh says is not theirs, nor who may reach whom.
    put(&mut view, STRICT);
    put(&mut view, PERMISSION);
    assert!(same(&after, &view.compile(&gateway).unwrap(), CLUSTER));

    view.remove(&ResourceKey::global(kinds::MESH, "default"));
    let again = view.compile(&gateway).unwrap();
    assert_eq!(before.resources[CLUSTER], again.resources[CLUSTER]);
}

#[test]
fn a_member_follows_what_it_depends_on() {
    let whole = |yaml: &[&str]| {
        let mut view = view(&with_edge(API));
        yaml.iter().for_each(|one| put(&mut view, one));
        view.compile(&dataplane("api")).unwrap()
    };
    let mut view = view(&with_edge(API));
    let api = dataplane("api");
    let plain = view.compile(&api).unwrap();
    let steps: [(&str, &[&str]); 3] = [
        (STRICT, &[STRICT]),
        (PERMISSION, &[STRICT, PERMISSION]),
        (PERMISSIVE, &[PERMISSIVE, PERMISSION]),
    ];
    let mut before = plain.clone();
    for (step, all) in steps {
        put(&mut view, step);
        let after = view.compile(&api).unwrap();
        assert_ne!(
            before.resources[LISTENER], after.resources[LISTENER],
            "{step}"
        );
        assert_eq!(after.resources, whole(all).resources, "{step}");
        assert!(Arc::ptr_eq(&after, &view.compile(&api).unwrap()));
        before = after;
    }
    for (kind, mesh, name) in [
        (kinds::TRAFFIC_PERMISSION, "default", "edge"),
        (kinds::MESH, "", "default"),
    ] {
        view.remove(&ResourceKey {
            kind,
            mesh: mesh.into(),
            name: name.into(),
        });
    }
    assert_eq!(view.compile(&api).unwrap().resources, plain.resources);
    view.remove(&api);
    assert!(view.compile(&api).is_none());
}

#[test]
fn the_proxy_of_another_zones_dataplane_gets_nothing() {
    let elsewhere = "
type: Dataplane
name: far
labels: {kuma.io/zone: west}
networking: {address: 10.0.0.1, inbound: [{port: 80, tags: {kuma.io/service: api}}]}
";
    assert!(view(elsewhere).compile(&dataplane("far")).is_none());
}
