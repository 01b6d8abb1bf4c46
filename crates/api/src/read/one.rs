//! `GET` of one resource.

use axum::{extract::State, response::Response};
use http::{HeaderValue, StatusCode, header};
use portolan_model::Kind;

use super::{View, key};
use crate::{answer, call::Call, problem::Problem, router::Shared, write::refusal::check_mesh};

/// One resource; its version is the ETag, for `If-Match` of a write.
pub(crate) async fn one(
    kind: Kind,
    view: View,
    State(api): State<Shared>,
    call: Call,
) -> Result<Response, Problem> {
    let snapshot = api.store.index().snapshot();
    check_mesh(&snapshot, kind, &call.mesh)?;
    let resource = snapshot
        .get(&key(kind, &call.mesh, &call.name))
        .ok_or_else(|| Problem::not_found("Could not retrieve a resource"))?;
    let mut response = answer::json(StatusCode::OK, &view.show(&snapshot, resource, &call.user)?);
    if let Ok(tag) = HeaderValue::try_from(format!("\"{}\"", resource.version)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}
