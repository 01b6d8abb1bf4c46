//! `GET /meshes/{mesh}/meshgateways/{name}/dataplanes`: which proxies a MeshGateway can run on.

use axum::{extract::State, response::Response};
use http::StatusCode;
use portolan_model::{
    SpecError, kinds,
    proto::mesh::{Dataplane, MeshGateway, dataplane::networking::gateway::GatewayType},
    tags,
};
use portolan_store::Snapshot;
use serde_json::{Value, json};

use crate::{
    answer,
    call::Call,
    problem::Problem,
    read::{key, unreadable},
    router::Shared,
    write::refusal::check_mesh,
};

/// The builtin gateway Dataplanes that the MeshGateway's selectors take.
pub(crate) async fn list(State(api): State<Shared>, call: Call) -> Result<Response, Problem> {
    let snapshot = api.store.index().snapshot();
    check_mesh(&snapshot, kinds::MESH_GATEWAY, &call.mesh)?;
    let gateway = snapshot
        .get(&key(kinds::MESH_GATEWAY, &call.mesh, &call.name))
        .ok_or_else(|| Problem::not_found("Could not find MeshGateway"))?;
    let gateway = gateway.spec_as().map_err(unreadable)?;
    let items = selected(&snapshot, &call.mesh, &gateway).map_err(unreadable)?;
    Ok(answer::json(
        StatusCode::OK,
        &json!({ "total": items.len(), "items": items }),
    ))
}

fn selected(
    snapshot: &Snapshot,
    mesh: &str,
    gateway: &MeshGateway,
) -> Result<Vec<Value>, SpecError> {
    let mut items = Vec::new();
    for resource in snapshot.list(kinds::DATAPLANE, Some(mesh)) {
        let networking = resource
            .spec_as::<Dataplane>()?
            .networking
            .unwrap_or_default();
        let builtin = networking
            .gateway
            .filter(|own| own.r#type() == GatewayType::Builtin);
        let selected =
            builtin.is_some_and(|own| tags::best_match(&gateway.selectors, &own.tags).is_some());
        if selected {
            items.push(json!({ "dataplane": { "mesh": mesh, "name": &*resource.key.name } }));
        }
    }
    Ok(items)
}
