//! `GET /meshes/{mesh}/{policies}/{name}/dataplanes` and the same of MeshGatewayRoutes: which proxies a
//! policy or a route is for, as `kumactl inspect` asks.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::StatusCode;
use portolan_gateway::{
    chart::{Chart, Fleet},
    plan::{
        member::{Inbound, Member},
        outbound::DelegatedInstance,
        proxy::ProxyPolicies,
    },
};
use portolan_model::{Kind, ResourceKey, kinds};
use serde_json::{Value, json};

use super::{
    matched::{self, Host, Listener},
    members,
};
use crate::{
    answer, call::Call, problem::Problem, read::key, router::Shared, write::refusal::check_mesh,
};

/// The proxies that a policy or a MeshGatewayRoute is for.
pub(crate) async fn dataplanes(
    kind: Kind,
    State(api): State<Shared>,
    call: Call,
) -> Result<Response, Problem> {
    let snapshot = api.store.index().snapshot();
    check_mesh(&snapshot, kind, &call.mesh)?;
    let wanted = key(kind, &call.mesh, &call.name);
    snapshot
        .get(&wanted)
        .ok_or_else(|| Problem::not_found("Could not retrieve a resource"))?;
    let work = tokio::task::spawn_blocking(move || {
        let chart = api.gateways.mesh(&api.role, &snapshot, &call.mesh);
        if kind == kinds::MESH_GATEWAY_ROUTE {
            with_route(&chart, &wanted)
        } else if ProxyPolicies::has(kind) {
            with_proxy_policy(&chart, &wanted)
        } else {
            let members = members::of_mesh(&snapshot, &api.role, &call.mesh);
            with_policy(&chart, &wanted, members)
        }
    });
    let items = work.await.map_err(|_| Problem::internal())?;
    let body = json!({ "total": items.len(), "items": items });
    Ok(answer::json(StatusCode::OK, &body))
}

fn with_route(chart: &Chart, route: &ResourceKey) -> Vec<Value> {
    let mut items = Vec::new();
    for fleet in chart.fleets() {
        let listeners = matched::listeners(chart, &route.mesh, fleet);
        let mut hosts = listeners.iter().flat_map(|listener| &listener.hosts);
        if hosts.any(|host| host.routes.contains_key(&route.name)) {
            let names = fleet.dataplanes.iter();
            items.extend(names.map(|name| json!({ "dataplane": named(&route.mesh, name) })));
        }
    }
    items
}

/// A policy for whole proxies is for all of a gateway, so no listeners are named.
fn with_proxy_policy(chart: &Chart, policy: &ResourceKey) -> Vec<Value> {
    let mut items = Vec::new();
    for fleet in chart.fleets() {
        let Some(gateway) = &fleet.gateway else {
            continue;
        };
        if matched::of_proxies(chart, &policy.mesh, fleet).contains(policy) {
            items.extend(fleet.dataplanes.iter().map(|name| {
                json!({
                    "kind": "MeshGatewayDataplane",
                    "dataplane": named(&policy.mesh, name),
                    "gateway": named(&policy.mesh, &gateway.key.name),
                })
            }));
        }
    }
    items
}

fn with_policy<'a>(
    chart: &Chart,
    policy: &ResourceKey,
    members: impl Iterator<Item = (&'a Arc<str>, Member)>,
) -> Vec<Value> {
    let fleets = chart.fleets().iter();
    let mut items: Vec<Value> = fleets
        .flat_map(|fleet| of_fleet(chart, fleet, policy))
        .collect();
    for (name, instance) in chart.delegated() {
        let attachments = at_outbounds(chart, policy, instance);
        items.extend(sidecar(policy, name, attachments));
    }
    for (name, member) in members {
        let mut attachments = at_inbounds(chart, policy, &member);
        attachments.extend(at_outbounds(chart, policy, &member.outbound));
        items.extend(sidecar(policy, name, attachments));
    }
    items
}

/// The inbounds of a member that a policy is for.
fn at_inbounds(chart: &Chart, policy: &ResourceKey, member: &Member) -> Vec<Value> {
    let has = |inbound: &&Inbound| members::policies(chart, &policy.mesh, inbound).contains(policy);
    let inbounds = member.inbounds.iter().filter(has);
    inbounds.map(members::attachment).collect()
}

fn at_outbounds(chart: &Chart, policy: &ResourceKey, instance: &DelegatedInstance) -> Vec<Value> {
    let mut attachments = Vec::new();
    for (key, attachment) in matched::outbounds(chart, &policy.mesh, instance) {
        if key == *policy && !attachments.contains(&attachment) {
            attachments.push(attachment);
        }
    }
    attachments
}

/// A proxy beside something else; nothing if nothing is attached to it.
fn sidecar(policy: &ResourceKey, name: &Arc<str>, attachments: Vec<Value>) -> Option<Value> {
    (!attachments.is_empty()).then(|| {
        json!({
            "kind": "SidecarDataplane",
            "dataplane": named(&policy.mesh, name),
            "attachments": attachments,
        })
    })
}

fn of_fleet(chart: &Chart, fleet: &Fleet, policy: &ResourceKey) -> Vec<Value> {
    let listeners: Vec<_> = matched::listeners(chart, &policy.mesh, fleet)
        .iter()
        .filter_map(|one| listener(one, policy))
        .collect();
    let Some(gateway) = fleet.gateway.as_ref().filter(|_| !listeners.is_empty()) else {
        return Vec::new();
    };
    let names = fleet.dataplanes.iter();
    names
        .map(|name| {
            json!({
                "kind": "MeshGatewayDataplane",
                "dataplane": named(&policy.mesh, name),
                "gateway": named(&policy.mesh, &gateway.key.name),
                "listeners": listeners,
            })
        })
        .collect()
}

/// The part of a listener that a policy is for; nothing if it is for none.
fn listener(listener: &Listener, policy: &ResourceKey) -> Option<Value> {
    let hosts = listener.hosts.iter();
    let hosts: Vec<_> = hosts.filter_map(|one| host(one, policy)).collect();
    (!hosts.is_empty())
        .then(|| json!({ "port": listener.port, "protocol": listener.protocol, "hosts": hosts }))
}

fn host(host: &Host, policy: &ResourceKey) -> Option<Value> {
    let routes = host.routes.iter().filter_map(|(name, destinations)| {
        let for_it = destinations
            .iter()
            .filter(|one| one.policies.contains(policy));
        let tags: Vec<_> = for_it.map(|one| one.destination.tags()).collect();
        (!tags.is_empty()).then(|| json!({ "route": &**name, "destinations": tags }))
    });
    let routes: Vec<_> = routes.collect();
    (!routes.is_empty()).then(|| json!({ "hostName": host.name, "routes": routes }))
}

fn named(mesh: &Arc<str>, name: &Arc<str>) -> Value {
    json!({ "mesh": &**mesh, "name": &**name })
}
