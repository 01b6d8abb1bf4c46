//! `GET /meshes/{mesh}/{policies}/{name}/dataplanes` and the same of MeshGatewayRoutes: which proxies a
//! policy or a route is for, as `kumactl inspect` asks.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::StatusCode;
use portolan_gateway::{
    chart::{Chart, Fleet},
    plan::proxy::ProxyPolicies,
};
use portolan_model::{Kind, ResourceKey, kinds};
use serde_json::{Value, json};

use super::matched::{self, Host, Listener, attachment, keys};
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
            with_policy(&chart, &wanted)
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

fn with_policy(chart: &Chart, policy: &ResourceKey) -> Vec<Value> {
    let mut items: Vec<Value> = chart
        .fleets()
        .iter()
        .flat_map(|fleet| of_fleet(chart, fleet, policy))
        .collect();
    for (name, instance) in chart.delegated() {
        let attached = instance.outbounds.iter().filter(|outbound| {
            let policies = chart.policies();
            let chosen = policies.choose(&instance.tags, &outbound.destination);
            keys(&policy.mesh, &chosen).contains(policy)
        });
        let mut attachments: Vec<Value> = Vec::new();
        for outbound in attached {
            let address = outbound.at.to_string();
            let attachment = attachment(policy.kind, &address, outbound.destination.service());
            if !attachments.contains(&attachment) {
                attachments.push(attachment);
            }
        }
        if !attachments.is_empty() {
            items.push(json!({
                "kind": "SidecarDataplane",
                "dataplane": named(&policy.mesh, name),
                "attachments": attachments,
            }));
        }
    }
    items
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
