//! Services of other zones, and what lets other zones in: what changes with what.

use std::sync::Arc;

use envoy_types::pb::envoy::config::{core::v3::HealthStatus, endpoint::v3::ClusterLoadAssignment};
use portolan_gateway::{
    Available, CLUSTER, CLUSTER_LOAD_ASSIGNMENT, Compiled, LISTENER, ROUTE_CONFIGURATION, ZoneView,
};
use portolan_model::{ResourceKey, kinds};
use prost::Message;

use crate::support::{ZONE, dataplane, resources, view, with_edge};

const SITE: &str = "
type: Mesh
name: default
mtls: {enabledBackend: ca-1, backends: [{name: ca-1, type: builtin}]}
routing: {localityAwareLoadBalancing: true}
---
type: Dataplane
name: api-1
networking:
  address: 10.0.0.1
  inbound: [{port: 80, tags: {kuma.io/service: api, kuma.io/protocol: http}}]
---
type: MeshGatewayRoute
name: both
selectors: [{match: {kuma.io/service: edge}}]
conf: {http: {rules: [{
  matches: [{path: {match: PREFIX, value: /}}],
  backends: [
    {weight: 1, destination: {kuma.io/service: api}},
    {weight: 1, destination: {kuma.io/service: web}}]
}]}}
---
type: ZoneIngress
name: own
zone: east
networking: {address: 10.0.0.9, port: 10001}
";

fn west(api: u32, web: u32) -> String {
    format!(
        "
type: ZoneIngress
name: west
zone: west
networking: {{address: 10.9.0.1, port: 10001, advertisedAddress: 192.0.2.1, advertisedPort: 10001}}
availableServices:
- {{mesh: default, instances: {api}, tags: {{kuma.io/service: api, kuma.io/protocol: http}}}}
- {{mesh: default, instances: {web}, tags: {{kuma.io/service: web, kuma.io/protocol: http}}}}
"
    )
}

fn api(number: u32) -> String {
    format!(
        "
type: Dataplane
name: api-{number}
networking:
  address: 10.0.0.{number}
  inbound: [{{port: 80, tags: {{kuma.io/service: api, kuma.io/protocol: http}}}}]
"
    )
}

fn put(view: &mut ZoneView, yaml: &str) {
    for resource in resources(yaml) {
        view.put(&resource);
    }
}

fn own_ingress(view: &mut ZoneView) -> Arc<Compiled> {
    let key = ResourceKey::global(kinds::ZONE_INGRESS, "own");
    view.compile(&key).unwrap()
}

fn gateway(view: &mut ZoneView) -> Arc<Compiled> {
    view.compile(&dataplane("gateway")).unwrap()
}

/// Type and name of every resource that is not the same in both.
fn differences(one: &Compiled, other: &Compiled) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    for (type_url, resources) in &one.resources {
        let others = &other.resources[type_url];
        let names = resources.keys().chain(others.keys());
        let differ = names.filter(|name| resources.get(*name) != others.get(*name));
        let mut names: Vec<_> = differ.map(|name| name.to_string()).collect();
        names.sort();
        names.dedup();
        all.extend(names.into_iter().map(|name| (*type_url, name)));
    }
    all
}

/// Priority, weight and health of each endpoint of a service.
fn endpoints(compiled: &Compiled, service: &str) -> Vec<(u32, u32, HealthStatus)> {
    let assignments = &compiled.resources[CLUSTER_LOAD_ASSIGNMENT];
    let (_, assignment) = assignments
        .iter()
        .find(|(name, _)| name.starts_with(service))
        .unwrap();
    let assignment = ClusterLoadAssignment::decode(assignment.body.clone()).unwrap();
    let localities = assignment.endpoints.iter();
    let endpoints = localities.flat_map(|locality| {
        let all = locality.lb_endpoints.iter();
        all.map(|one| {
            let weight = one.load_balancing_weight.as_ref().unwrap().value;
            (locality.priority, weight, one.health_status())
        })
    });
    endpoints.collect()
}

#[test]
fn a_change_in_another_zone_is_one_load_assignment() {
    let mut view = view(&with_edge(SITE));
    put(&mut view, &west(3, 1));
    let before = gateway(&mut view);
    assert_eq!(endpoints(&before, "api").len(), 2);
    put(&mut view, &west(4, 1));
    let after = gateway(&mut view);
    let differ = differences(&before, &after);
    assert_eq!(differ.len(), 1, "{differ:?}");
    let (type_url, name) = &differ[0];
    assert_eq!(*type_url, CLUSTER_LOAD_ASSIGNMENT);
    assert!(name.starts_with("api-"), "{name}");
    for unchanged in [CLUSTER, LISTENER, ROUTE_CONFIGURATION] {
        assert!(Arc::ptr_eq(
            &before.resources[unchanged],
            &after.resources[unchanged]
        ));
    }
    // What is said again changes nothing at all.
    put(&mut view, &west(4, 1));
    assert!(Arc::ptr_eq(&after, &gateway(&mut view)));
    // The way to a state does not matter.
    view.remove(&ResourceKey::global(kinds::ZONE_INGRESS, "west"));
    put(&mut view, &west(3, 1));
    assert_eq!(differences(&before, &gateway(&mut view)), []);
    view.remove(&ResourceKey::global(kinds::ZONE_INGRESS, "west"));
    assert_eq!(endpoints(&gateway(&mut view), "web"), []);
}

#[test]
fn instances_whose_proxies_are_away_come_last() {
    let mut view = view(&with_edge(SITE));
    put(&mut view, &west(3, 1));
    put(&mut view, &api(2));
    let well = (0, 1, HealthStatus::Unknown);
    let away = (0, 1, HealthStatus::Degraded);
    let far = (1, 3, HealthStatus::Unknown);
    let before = gateway(&mut view);
    assert_eq!(endpoints(&before, "api"), [well, well, far]);
    view.set_away(&dataplane("api-1"), true);
    let after = gateway(&mut view);
    assert_eq!(endpoints(&after, "api"), [away, well, far]);
    assert_eq!(differences(&before, &after).len(), 1);
    // Also when it is written meanwhile.
    put(&mut view, &api(1));
    assert_eq!(endpoints(&gateway(&mut view), "api"), [away, well, far]);
    view.set_away(&dataplane("api-1"), false);
    assert_eq!(differences(&before, &gateway(&mut view)), []);
    // Told of one that is not there.
    view.set_away(&dataplane("api-9"), true);
    put(&mut view, &api(9));
    assert_eq!(
        endpoints(&gateway(&mut view), "api"),
        [well, well, away, far]
    );
}

#[test]
fn an_instance_changes_one_load_assignment_of_an_ingress() {
    let mut view = view(SITE);
    let before = own_ingress(&mut view);
    put(&mut view, &api(2));
    let after = own_ingress(&mut view);
    let expected = [(CLUSTER_LOAD_ASSIGNMENT, "default:api".to_owned())];
    assert_eq!(differences(&before, &after), expected);
    assert!(Arc::ptr_eq(&after, &own_ingress(&mut view)));
    // Nobody is let in to what has no instance.
    view.remove(&dataplane("api-1"));
    view.remove(&dataplane("api-2"));
    let empty = own_ingress(&mut view);
    assert!(empty.resources[CLUSTER].is_empty());
    assert_eq!(empty.resources[LISTENER].len(), 1);
    put(&mut view, &api(1));
    assert_eq!(differences(&before, &own_ingress(&mut view)), []);
    view.remove(&ResourceKey::global(kinds::ZONE_INGRESS, "own"));
    assert!(
        view.compile(&ResourceKey::global(kinds::ZONE_INGRESS, "own"))
            .is_none()
    );
}

#[test]
fn what_a_zone_offers_is_counted_by_mesh_and_tags() {
    let mut available = Available::default();
    let told = |available: &mut Available, yaml: &str| {
        for resource in resources(yaml) {
            available.put(&resource, ZONE);
        }
        let services = available.services().into_iter();
        let told = services.map(|one| format!("{} {} {:?}", one.mesh, one.instances, one.tags));
        told.collect::<Vec<_>>().join("; ")
    };
    let tags = r#"{"kuma.io/protocol": "http", "kuma.io/service": "api", "kuma.io/zone": "east"}"#;
    let all = [api(1), api(2)].join("---\n");
    assert_eq!(told(&mut available, &all), format!("default 2 {tags}"));
    assert_eq!(told(&mut available, &api(2)), format!("default 2 {tags}"));
    // Gateways are no services, and who is not ready offers nothing.
    let others = "
type: Dataplane
name: edge
networking: {address: 10.0.0.9, gateway: {type: DELEGATED, tags: {kuma.io/service: edge}}}
---
type: Dataplane
name: api-2
networking:
  address: 10.0.0.2
  inbound: [{port: 80, state: NotReady, tags: {kuma.io/service: api}}]
---
type: Dataplane
mesh: shop
name: api-2
networking:
  address: 10.0.0.2
  inbound: [{port: 80, tags: {kuma.io/service: bank}}]
";
    let bank = r#"shop 1 {"kuma.io/service": "bank", "kuma.io/zone": "east"}"#;
    assert_eq!(
        told(&mut available, others),
        format!("default 1 {tags}; {bank}")
    );
    available.remove(&"default".into(), &"api-1".into());
    assert_eq!(told(&mut available, ""), bank);
}
