//! What authors should know of their gateways and routes: on the answer to a write, and as
//! `GET /meshes/{mesh}/_lint`.

use axum::{extract::State, response::Response};
use http::StatusCode;
use portolan_gateway::lint::{lint as all, lint_of};
use portolan_model::{Kind, ResourceKey, Revision, kinds};
use serde_json::json;

use crate::{answer, call::Call, problem::Problem, router::Shared, write::refusal::check_mesh};

/// So many changes are taken over, and so many resources looked at, on the thread of the request.
const FEW: u64 = 64;

/// Of what something may be said when it is written.
const LINTED: [Kind; 3] = [
    kinds::MESH_GATEWAY,
    kinds::MESH_GATEWAY_ROUTE,
    kinds::EXTERNAL_SERVICE,
];

/// Everything that is to be said of a mesh.
pub(crate) async fn lint(State(api): State<Shared>, call: Call) -> Result<Response, Problem> {
    let snapshot = api.store.index().snapshot();
    check_mesh(&snapshot, kinds::MESH_GATEWAY, &call.mesh)?;
    let work = tokio::task::spawn_blocking(move || {
        let chart = api.gateways.mesh(&api.role, &snapshot, &call.mesh);
        all(&chart, &call.mesh)
    });
    let warnings = work.await.map_err(|_| Problem::internal())?;
    let items: Vec<_> = warnings
        .iter()
        .map(|warning| {
            json!({
                "type": warning.resource.kind.name(),
                "mesh": &*warning.resource.mesh,
                "name": &*warning.resource.name,
                "field": warning.field,
                "message": warning.problem.to_string(),
            })
        })
        .collect();
    let body = json!({ "total": items.len(), "items": items });
    Ok(answer::json(StatusCode::OK, &body))
}

/// What is to be said of resources that were just written, a list for each.
pub(crate) async fn of_written(api: &Shared, keys: Vec<ResourceKey>) -> Vec<Vec<String>> {
    let linted = |key: &ResourceKey| LINTED.contains(&key.kind);
    let count = keys.len();
    if !api.lint_writes || !keys.iter().any(linted) {
        return vec![Vec::new(); count];
    }
    let snapshot = api.store.index().snapshot();
    let work = api.gateways.behind(&snapshot) + Revision::try_from(count).unwrap_or(Revision::MAX);
    let api = Shared::clone(api);
    let look = move || {
        let warnings = keys.iter().map(|key| {
            let (role, gateways) = (&api.role, &api.gateways);
            let warnings = gateways.look(role, &snapshot, &key.mesh, |chart| lint_of(chart, key));
            warnings.iter().map(ToString::to_string).collect()
        });
        warnings.collect()
    };
    if work <= FEW {
        return look();
    }
    // Advice is not worth failing a write that is done.
    let looked = tokio::task::spawn_blocking(look).await;
    looked.unwrap_or_else(|_| vec![Vec::new(); count])
}
