//! `PUT` of one resource.

use axum::{body::Body, extract::State, response::Response};
use http::StatusCode;
use portolan_model::{Kind, ResourceKey, Scope, kinds};
use portolan_store::{Batch, Committed, Expect, Outcome, Requirement, Write};
use serde::Serialize;
use tracing::debug;

use super::{
    authorities, body, labels,
    prepare::{self, Address, Prepared},
    refusal,
};
use crate::{answer, call::Call, document, gateways::lint, problem::Problem, router::Shared};

/// `{}`, or what the author should know about a resource that was taken all the same.
#[derive(Serialize)]
struct Written {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// Creates or replaces; the last writer wins unless the request asks for a version.
pub(crate) async fn put(
    kind: Kind,
    State(api): State<Shared>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    refusal::check_writable(&api.role, kind, &call.name)?;
    refusal::check_mesh(&api.store.index().snapshot(), kind, &call.mesh)?;
    let expect = refusal::expectation(&call.headers)?;
    let body = body::read(&call.headers, body, api.max_body_bytes).await?;
    let document = document::one(document::Format::of(&call.headers), &body)
        .map_err(|reason| Problem::bad_request(format!("invalid {kind} object: {reason:?}")))?;
    let address = Address {
        kind,
        mesh: &call.mesh,
        name: &call.name,
    };
    let prepared =
        prepare::addressed(&api.role, address, document).map_err(refusal::of_document)?;
    let snapshot = api.store.index().snapshot();
    let violations = authorities::check(&snapshot, &prepared, std::iter::empty());
    if !violations.is_empty() {
        return Err(refusal::of_document(prepare::Refusal::Invalid(violations)));
    }
    if let Some(current) = snapshot.get(&prepared.key) {
        let violations = labels::check_update(current, &prepared.labels);
        if !violations.is_empty() {
            return Err(Problem::invalid("Could not update a resource", violations));
        }
    }
    let key = prepared.key.clone();
    let committed = commit(&api, &prepared, expect).await?;
    debug!(
        revision = committed.revision,
        %kind,
        mesh = call.mesh,
        name = call.name,
        "written"
    );
    let status = match committed.outcomes.first() {
        Some(Outcome::Created) => StatusCode::CREATED,
        _ => StatusCode::OK,
    };
    let mut warnings = prepared.warnings;
    warnings.extend(
        lint::of_written(&api, vec![key])
            .await
            .into_iter()
            .flatten(),
    );
    let response = answer::json(status, &Written { warnings });
    Ok(answer::at_revision(response, committed.revision))
}

async fn commit(api: &Shared, prepared: &Prepared, expect: Expect) -> Result<Committed, Problem> {
    let key = &prepared.key;
    let requires = match key.kind.scope {
        Scope::Mesh => {
            let mesh = ResourceKey::global(kinds::MESH, key.mesh.clone());
            vec![Requirement::Exists(mesh)]
        }
        Scope::Global => Vec::new(),
    };
    let write = Write::Put {
        key: key.clone(),
        labels: prepared.labels.clone(),
        spec: prepared.spec.clone(),
        expect,
        created: None,
    };
    let batch = Batch {
        requires,
        writes: vec![write],
        watermark: None,
    };
    authorities::commit(api, batch, std::slice::from_ref(prepared)).await
}
