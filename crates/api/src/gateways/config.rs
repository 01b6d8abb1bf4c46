//! `GET /meshes/{mesh}/dataplanes/{name}/_config` on a zone: what a gateway instance is configured with.
//!
//! The plan as it stands, and of Envoy's resources names, versions and sizes: never their content, so never
//! a secret. Compiled anew from what the zone holds; equal resources give equal versions.

use axum::{extract::State, response::Response};
use http::StatusCode;
use portolan_gateway::{
    ZoneView,
    chart::{Chart, Passage},
    explain::words,
    plan::{table::Route, tcp::Share},
};
use portolan_model::{ResourceKey, kinds};
use portolan_store::Snapshot;
use serde_json::{Map, Value, json};

use crate::{
    answer, call::Call, config::Role, problem::Problem, read::key, router::Shared,
    write::refusal::check_mesh,
};

/// Stands for the pipe of a data plane that passes on access logs.
const LOG_PIPE: &str = "access-log.pipe";

/// The configuration of one gateway instance.
pub(crate) async fn config(State(api): State<Shared>, call: Call) -> Result<Response, Problem> {
    let Role::Zone { name: zone } = api.role.clone() else {
        let detail =
            "a global configures no proxies: ask the control plane of the Dataplane's zone";
        return Err(Problem::new(StatusCode::NOT_FOUND, "Not found", detail));
    };
    let snapshot = api.store.index().snapshot();
    check_mesh(&snapshot, kinds::DATAPLANE, &call.mesh)?;
    let dataplane = key(kinds::DATAPLANE, &call.mesh, &call.name);
    let work = tokio::task::spawn_blocking(move || {
        let chart = api.gateways.mesh(&api.role, &snapshot, &call.mesh);
        shown(&chart, &snapshot, &dataplane, &zone)
    });
    let body = work.await.map_err(|_| Problem::internal())?;
    let body = body.ok_or_else(|| Problem::not_found("Could not find a gateway instance"))?;
    Ok(answer::json(StatusCode::OK, &body))
}

fn shown(chart: &Chart, snapshot: &Snapshot, dataplane: &ResourceKey, zone: &str) -> Option<Value> {
    let mut view = ZoneView::new(zone);
    for kind in portolan_gateway::inputs() {
        // A Mesh is in no mesh.
        let mesh = (kind != kinds::MESH).then_some(&*dataplane.mesh);
        let resources = snapshot.list(kind, mesh);
        resources.for_each(|resource| view.put(resource));
    }
    // Only the data plane knows where its own is; this one has the same effect.
    let compiled = view.compile_with(dataplane, Some(LOG_PIPE))?;
    let resources: Map<_, _> = compiled
        .resources
        .iter()
        .map(|(type_url, resources)| {
            let resources: Vec<_> = resources
                .iter()
                .map(|(name, encoded)| {
                    json!({ "name": &**name, "version": &*encoded.version, "bytes": encoded.body.len() })
                })
                .collect();
            ((*type_url).to_owned(), resources.into())
        })
        .collect();
    let faults: Vec<_> = compiled.faults.iter().map(ToString::to_string).collect();
    let fleet = chart.fleet_of(&dataplane.name);
    let r#type = match fleet {
        Some(_) => "BUILTIN",
        None if compiled.is_delegated => "DELEGATED",
        None => "STANDARD",
    };
    let mut shown = json!({ "type": r#type });
    // The listeners of a delegated gateway are its own.
    if let Some(fleet) = fleet {
        let plan: Vec<_> = chart.passages(fleet).iter().map(chain).collect();
        shown["gateway"] = compiled.gateway.as_deref().into();
        shown["tags"] = json!(fleet.tags);
        shown["plan"] = plan.into();
    }
    shown["leftOut"] = faults.into();
    shown["resources"] = resources.into();
    Some(shown)
}

/// A chain of a port; certificates by name alone.
fn chain(passage: &Passage) -> Value {
    let (port, chain) = (&passage.port, &passage.chain);
    let mut shown = json!({
        "name": &*port.name,
        "port": port.number,
        "protocol": port.protocol.to_string(),
    });
    if port.protocol.is_encrypted() {
        shown["sni"] = chain.hostname.to_string().into();
        shown["tls"] = words::tls(&chain.tls).into();
    }
    let closed: Vec<_> = passage.closed.iter().map(ToString::to_string).collect();
    if !closed.is_empty() {
        shown["closed"] = closed.into();
    }
    match passage.tcp() {
        Some(table) => shown["backends"] = table.shares().iter().map(share).collect(),
        None => shown["hosts"] = hosts(passage),
    }
    shown
}

fn hosts(passage: &Passage) -> Value {
    let hosts = passage.hosts().map(|(host, routes)| {
        let routes: Vec<_> = routes.iter().map(|entry| route(entry)).collect();
        json!({ "hostname": &*host.name, "routes": routes })
    });
    hosts.collect()
}

fn share(share: &Share) -> Value {
    json!({ "tags": share.destination.tags(), "cluster": &*share.cluster, "weight": share.weight })
}

fn route(route: &Route) -> Value {
    let entry = &route.entry;
    json!({
        "route": &**entry.author.name(),
        "rule": entry.rule,
        "conditions": words::conditions(&entry.matching),
        "action": words::action(&entry.action),
    })
}
