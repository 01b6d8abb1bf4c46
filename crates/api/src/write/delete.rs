//! `DELETE` of one resource.

use axum::{extract::State, response::Response};
use http::StatusCode;
use portolan_model::{Kind, ResourceKey, Violations, kinds};
use portolan_store::{Batch, Expect, Outcome, Requirement, Write};
use serde_json::json;
use tracing::debug;

use super::{authorities, labels, refusal};
use crate::{answer, call::Call, problem::Problem, read::insight_of, router::Shared};

const TITLE: &str = "Could not delete a resource";

/// Removes a resource, and its insight with it. With a Mesh go all resources in it, unless there are
/// Dataplanes among them; a Zone goes only once it is offline.
pub(crate) async fn delete(
    kind: Kind,
    State(api): State<Shared>,
    call: Call,
) -> Result<Response, Problem> {
    refusal::check_writable(&api.role, kind, &call.name)?;
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
    let mut violations = labels::foreign_origin(&api.role, &current.labels);
    violations
        .0
        .extend(authorities::check_unused(&snapshot, current).0);
    if !violations.is_empty() {
        return Err(Problem::invalid(TITLE, violations));
    }
    check_offline(&api, &key)?;
    let committed = api.store.commit(deletion(key.clone(), expect)).await?;
    debug!(revision = committed.revision, %key, "removed");
    match committed.outcomes.last() {
        // Another writer removed it since it was looked up.
        Some(Outcome::Unchanged) => Err(Problem::not_found(TITLE)),
        _ => Ok(answer::at_revision(
            answer::json(StatusCode::OK, &json!({})),
            committed.revision,
        )),
    }
}

fn deletion(key: ResourceKey, expect: Expect) -> Batch {
    let mut batch = Batch::default();
    if key.kind == kinds::MESH {
        let mesh = key.name.to_string();
        batch.requires = vec![Requirement::NoneInMesh {
            kind: kinds::DATAPLANE,
            mesh: mesh.clone(),
        }];
        batch.writes.push(Write::DeleteMesh { mesh });
    }
    if let Some(insight) = insight_of(key.kind) {
        let key = ResourceKey {
            kind: insight,
            ..key.clone()
        };
        batch.writes.push(Write::Delete {
            key,
            expect: Expect::Any,
        });
    }
    batch.writes.push(Write::Delete { key, expect });
    batch
}

/// A zone that is connected would write itself anew at once.
fn check_offline(api: &Shared, key: &ResourceKey) -> Result<(), Problem> {
    let status = api.status.borrow();
    let mut zones = status.zones.iter();
    if key.kind != kinds::ZONE || !zones.any(|zone| zone.online && *zone.name == *key.name) {
        return Ok(());
    }
    let mut violations = Violations::default();
    let reason = "unable to delete Zone, Zone CP is still connected, please shut it down first";
    violations.add("zone", reason);
    Err(Problem::invalid(TITLE, violations))
}
