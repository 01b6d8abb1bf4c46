//! Gateways for members of other meshes: who follows whom.

use portolan_gateway::{CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION, ZoneView};
use portolan_model::{ResourceKey, kinds};

use crate::support::{dataplane, resources, view};

const MESHES: &str = "
type: Mesh
name: default
mtls: {enabledBackend: ca-1, backends: [{name: ca-1, type: builtin}]}
---
type: Mesh
name: other
mtls: {enabledBackend: ca-1, backends: [{name: ca-1, type: builtin}]}
---
type: Dataplane
name: caller
networking:
  address: 10.0.0.9
  inbound: [{port: 80, tags: {kuma.io/service: caller}}]
  outbound: [{port: 10001, tags: {kuma.io/service: edge, kuma.io/mesh: other}}]
---
type: Dataplane
name: edge
networking:
  address: 10.0.0.2
  inbound: [{port: 80, tags: {kuma.io/service: edge}}]
";

/// An instance of the other mesh's gateway.
fn edge(name: &str, address: &str) -> String {
    format!(
        "
type: Dataplane
mesh: other
name: {name}
networking:
  address: {address}
  gateway: {{type: BUILTIN, tags: {{kuma.io/service: edge}}}}
"
    )
}

fn gateway(cross_mesh: bool) -> String {
    format!(
        "
type: MeshGateway
mesh: other
name: edge
selectors: [{{match: {{kuma.io/service: edge}}}}]
conf: {{listeners: [{{port: 8081, protocol: HTTP, crossMesh: {cross_mesh}}}]}}
"
    )
}

fn put(view: &mut ZoneView, yaml: &str) {
    for resource in resources(yaml) {
        view.put(&resource);
    }
}

/// What the caller is told of endpoints, as text.
fn endpoints(view: &mut ZoneView) -> String {
    let compiled = view.compile(&dataplane("caller")).unwrap();
    let assignments = compiled.resources[CLUSTER_LOAD_ASSIGNMENT].values();
    let bodies = assignments.map(|one| String::from_utf8_lossy(&one.body).into_owned());
    bodies.collect()
}

#[test]
fn members_follow_the_gateways_of_another_mesh() {
    let mut view = view(MESHES);
    // The own mesh's service of this name is another one.
    assert!(!endpoints(&mut view).contains("10.0.0.2"));
    put(&mut view, &edge("edge-1", "10.1.0.1"));
    put(&mut view, &gateway(false));
    assert!(!endpoints(&mut view).contains("10.1.0.1"));
    put(&mut view, &gateway(true));
    assert!(endpoints(&mut view).contains("10.1.0.1"));
    put(&mut view, &edge("edge-2", "10.1.0.2"));
    let before = view.compile(&dataplane("caller")).unwrap();
    assert!(endpoints(&mut view).contains("10.1.0.2"));

    view.remove(&ResourceKey::in_mesh(kinds::DATAPLANE, "other", "edge-1"));
    assert!(!endpoints(&mut view).contains("10.1.0.1"));
    // Only endpoints changed.
    let after = view.compile(&dataplane("caller")).unwrap();
    for type_url in [CLUSTER, LISTENER, ROUTE_CONFIGURATION] {
        let [one, other] = [&before, &after].map(|compiled| &compiled.resources[type_url]);
        assert_eq!(one, other, "{type_url}");
    }
    view.remove(&ResourceKey::in_mesh(kinds::MESH_GATEWAY, "other", "edge"));
    assert!(!endpoints(&mut view).contains("10.1.0.2"));
}

#[test]
fn the_order_of_arrival_decides_nothing() {
    let documents = [MESHES, &edge("edge-1", "10.1.0.1"), &gateway(true)].map(str::to_owned);
    let mut first = view(&documents.join("---"));
    let [meshes, edge, gateway] = &documents;
    let mut last = view(&[gateway, edge, meshes].map(String::as_str).join("---"));
    let [one, other] = [&mut first, &mut last].map(|view| {
        view.compile(&dataplane("caller"))
            .unwrap()
            .resources
            .clone()
    });
    assert_eq!(one, other);
}

#[test]
fn a_proxy_trusts_other_meshes_only_where_it_has_to_do_with_them() {
    let yaml = [MESHES, &edge("edge-1", "10.1.0.1"), &gateway(true)].join("---");
    let mut view = view(&yaml);
    let trusts = |view: &mut ZoneView, mesh: &str, name: &str| {
        let key = ResourceKey::in_mesh(kinds::DATAPLANE, mesh, name);
        view.compile(&key).unwrap().trusts.clone()
    };
    let caller = trusts(&mut view, "default", "caller");
    assert_eq!(
        caller.meshes.iter().map(|mesh| &**mesh).collect::<Vec<_>>(),
        ["other"]
    );
    assert!(!caller.all);
    let offering = trusts(&mut view, "other", "edge-1");
    assert!(offering.all && offering.meshes.is_empty());
    put(&mut view, &gateway(false));
    assert!(!trusts(&mut view, "other", "edge-1").all);
}
