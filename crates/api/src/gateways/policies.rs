//! `GET /meshes/{mesh}/dataplanes/{name}/policies`: what `kumactl inspect dataplane` shows.

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, response::Response};
use http::StatusCode;
use portolan_gateway::{
    chart::{Chart, Passage, Way},
    plan::{destination::Destination, table::RouteTable, tcp::TcpTable},
};
use portolan_model::kinds;
use serde_json::{Value, json};

use crate::{
    answer, call::Call, problem::Problem, read::key, router::Shared, write::refusal::check_mesh,
};

/// For a gateway instance its MeshGateway, listeners, hosts, routes and their destinations.
pub(crate) async fn policies(State(api): State<Shared>, call: Call) -> Result<Response, Problem> {
    let snapshot = api.store.index().snapshot();
    check_mesh(&snapshot, kinds::DATAPLANE, &call.mesh)?;
    snapshot
        .get(&key(kinds::DATAPLANE, &call.mesh, &call.name))
        .ok_or_else(|| Problem::not_found("Could not retrieve a resource"))?;
    let work = tokio::task::spawn_blocking(move || {
        let chart = api.gateways.mesh(&api.role, &snapshot, &call.mesh);
        inspected(&chart, &call.mesh, &call.name)
    });
    let body = work.await.map_err(|_| Problem::internal())?;
    Ok(answer::json(StatusCode::OK, &body))
}

fn inspected(chart: &Chart, mesh: &str, dataplane: &str) -> Value {
    let Some(fleet) = chart.fleet_of(dataplane) else {
        return json!({ "kind": "SidecarDataplane", "total": 0, "items": [] });
    };
    let name = fleet
        .gateway
        .as_ref()
        .map_or("", |gateway| &*gateway.key.name);
    let passages = chart.passages(fleet);
    let ports = passages.chunk_by(|left, right| left.port.number == right.port.number);
    let listeners: Vec<_> = ports.map(listener).collect();
    json!({
        "kind": "MeshGatewayDataplane",
        "gateway": { "mesh": mesh, "name": name },
        "listeners": listeners,
    })
}

/// The chains of one port.
fn listener(chains: &[Passage]) -> Value {
    let port = &chains[0].port;
    let hosts = chains.iter().flat_map(|passage| match &passage.way {
        Way::Http(table) => hosts(table),
        Way::Tcp(table) => vec![shared(&passage.chain.hostname.to_string(), table)],
    });
    let hosts: Vec<_> = hosts.collect();
    json!({ "port": port.number, "protocol": port.protocol.to_string(), "hosts": hosts })
}

fn hosts(table: &RouteTable) -> Vec<Value> {
    let hosts = table.hosts().map(|(host, routes)| {
        let mut by_name: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for route in routes {
            let destinations = by_name.entry(route.entry.author.name()).or_default();
            add(destinations, route.entry.action.destinations());
        }
        told(&host.name, by_name)
    });
    hosts.collect()
}

/// A chain that carries no HTTP, as its one host.
fn shared(hostname: &str, table: &TcpTable) -> Value {
    let mut by_name: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for route in table.routes() {
        let destinations = by_name.entry(route.author.name()).or_default();
        let backends = route.backends.iter();
        add(destinations, backends.map(|backend| &backend.destination));
    }
    told(hostname, by_name)
}

fn add<'a>(to: &mut Vec<Value>, destinations: impl Iterator<Item = &'a Arc<Destination>>) {
    for destination in destinations {
        let destination = json!({ "tags": destination.tags(), "policies": {} });
        if !to.contains(&destination) {
            to.push(destination);
        }
    }
}

fn told(hostname: &str, by_name: BTreeMap<&str, Vec<Value>>) -> Value {
    let routes: Vec<_> = by_name
        .iter()
        .map(|(name, destinations)| json!({ "route": name, "destinations": destinations }))
        .collect();
    json!({ "hostName": hostname, "routes": routes })
}
