//! `POST /_apply`: many resources, all or none.

use axum::{body::Body, extract::State, response::Response};
use bytes::Bytes;
use http::StatusCode;
use portolan_access::User;
use portolan_gateway::diff::GatewayDiff;
use portolan_model::Revision;
use portolan_store::Outcome;
use serde::Serialize;
use tracing::debug;

use super::{authorities, body, difference, plan, prepare::Prepared};
use crate::{
    access, answer,
    call::Call,
    document::{self, Format},
    gateways::lint,
    problem::Problem,
    router::Shared,
};

/// What became of an apply, or with `dryRun` would become of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Applied<'a> {
    revision: Revision,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    results: Vec<Outcomes<'a>>,
    /// With `dryRun=diff`: what becomes of gateways.
    #[serde(skip_serializing_if = "Option::is_none")]
    gateways: Option<Vec<GatewayDiff>>,
}

/// What became of one resource of an apply.
#[derive(Serialize)]
struct Outcomes<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    mesh: &'a str,
    name: &'a str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
}

/// Writes all resources of a body in one transaction, or with `dryRun=true` says what that would do; with
/// `dryRun=diff` also to the routes of gateways.
pub(crate) async fn apply(
    State(api): State<Shared>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let body = body::read(&call.headers, body, api.max_apply_bytes).await?;
    let format = Format::of(&call.headers);
    let mut prepared = read_and_check(&api, format, body, call.user.clone()).await?;
    let diff = call.query.first("dryRun") == "diff";
    if diff || call.query.is("dryRun") {
        let snapshot = api.store.index().snapshot();
        let outcomes: Vec<_> = prepared
            .iter()
            .map(|resource| plan::outcome(&snapshot, resource))
            .collect();
        let gateways = match diff {
            true => Some(difference::between(&api, &snapshot, &mut prepared).await?),
            false => None,
        };
        let applied = applied(snapshot.revision(), &prepared, &outcomes);
        return Ok(answer::json(
            StatusCode::OK,
            &Applied {
                dry_run: true,
                gateways,
                ..applied
            },
        ));
    }
    let (batch, order) = plan::batch(&prepared);
    let committed = authorities::commit(&api, batch, &prepared).await?;
    debug!(
        revision = committed.revision,
        resources = prepared.len(),
        "applied"
    );
    let mut outcomes = vec![Outcome::Unchanged; prepared.len()];
    for (position, outcome) in order.into_iter().zip(committed.outcomes) {
        outcomes[position] = outcome;
    }
    let keys = prepared
        .iter()
        .map(|resource| resource.key.clone())
        .collect();
    let warnings = lint::of_written(&api, keys).await;
    for (resource, warnings) in prepared.iter_mut().zip(warnings) {
        resource.warnings.extend(warnings);
    }
    let response = answer::json(
        StatusCode::OK,
        &applied(committed.revision, &prepared, &outcomes),
    );
    Ok(answer::at_revision(response, committed.revision))
}

/// Thousands of resources take the time of many requests, so they are read away from the threads that
/// answer those.
async fn read_and_check(
    api: &Shared,
    format: Format,
    body: Bytes,
    user: User,
) -> Result<Vec<Prepared>, Problem> {
    let api = Shared::clone(api);
    let work = tokio::task::spawn_blocking(move || {
        let documents = document::all(format, &body)
            .map_err(|reason| Problem::bad_request(format!("invalid body: {reason:?}")))?;
        let resources = plan::resources(documents);
        if resources.is_empty() {
            return Err(Problem::bad_request("no resource(s) passed to apply"));
        }
        for kind in resources.iter().filter_map(plan::kind) {
            access::check(kind, &user)?;
        }
        plan::check(&api.role, &api.store.index().snapshot(), resources).map_err(|violations| {
            Problem::invalid_resources("Could not process resources", violations)
        })
    });
    work.await.unwrap_or_else(|_| Err(Problem::internal()))
}

fn applied<'a>(revision: Revision, prepared: &'a [Prepared], outcomes: &[Outcome]) -> Applied<'a> {
    let results = prepared
        .iter()
        .zip(outcomes)
        .map(|(Prepared { key, warnings, .. }, outcome)| Outcomes {
            r#type: key.kind.name(),
            mesh: &key.mesh,
            name: &key.name,
            outcome: word(*outcome),
            warnings,
        })
        .collect();
    Applied {
        revision,
        dry_run: false,
        results,
        gateways: None,
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Created => "created",
        Outcome::Updated => "updated",
        Outcome::Unchanged => "unchanged",
        Outcome::Deleted => "deleted",
    }
}
