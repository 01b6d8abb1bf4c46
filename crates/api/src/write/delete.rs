//! `DELETE` of one resource.

use axum::{extract::State, response::Response};
use http::StatusCode;
use portolan_model::{Kind, ResourceKey, kinds};
use portolan_store::{Batch, Outcome, Requirement, Write};
use serde_json::json;

use super::{labels, refusal};
use crate::{answer, call::Call, problem::Problem, router::Shared};

const TITLE: &str = "Could not delete a resource";

/// Removes a resource; with a Mesh go all resources in it, unless there are Dataplanes among them.
pub(crate) async fn delete(
    kind: Kind,
    State(api): State<Shared>,
    call: Call,
) -> Result<Response, Problem> {
    refusal::check_writable(&api.role, kind)?;
    let expect = refusal::expectation(&call.headers)?;
    let snapshot = api.store.index().snapshot();
    refusal::check_mesh(&snapshot, kind, &call.mesh)?;
    let key = ResourceKey {
        kind,
        mesh: call.mesh.into(),
        name: call.name.into(),
    };
    let current = snapshot
        .get(&key)
        .ok_or_else(|| Problem::not_found(TITLE))?;
    let violations = labels::foreign_origin(&api.role, &current.labels);
    if !violations.is_empty() {
        return Err(Problem::invalid(TITLE, violations));
    }
    let mut batch = Batch::default();
    if kind == kinds::MESH {
        let mesh = key.name.to_string();
        batch.requires = vec![Requirement::NoneInMesh {
            kind: kinds::DATAPLANE,
            mesh: mesh.clone(),
        }];
        batch.writes.push(Write::DeleteMesh { mesh });
    }
    batch.writes.push(Write::Delete { key, expect });
    let committed = api.store.commit(batch).await?;
    match committed.outcomes.last() {
        // Another writer removed it since it was looked up.
        Some(Outcome::Unchanged) => Err(Problem::not_found(TITLE)),
        _ => Ok(answer::at_revision(
            answer::json(StatusCode::OK, &json!({})),
            committed.revision,
        )),
    }
}
