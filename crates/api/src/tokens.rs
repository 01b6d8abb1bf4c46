//! `POST /tokens/dataplane`: tokens by which data planes show who they are.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use axum::{body::Body, extract::State, response::Response};
use http::{HeaderValue, StatusCode, header};
use jiff::SignedDuration;
use portolan_identity::tokens::DataplaneClaims;
use portolan_model::Violations;
use serde::Deserialize;

use crate::{answer, call::Call, document, problem::Problem, router::Shared, write::body};

/// Ten years, Kuma's default for requests that do not say.
const DEFAULT_VALIDITY: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// What a proxy can be.
const PROXY_TYPES: [&str; 3] = ["dataplane", "ingress", "egress"];

/// The request, as kumactl sends it: absent and `null` mean the same.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TokenRequest {
    name: Option<String>,
    mesh: Option<String>,
    tags: Option<BTreeMap<String, BTreeSet<String>>>,
    r#type: Option<String>,
    workload: Option<String>,
    valid_for: Option<String>,
}

/// A token as plain text.
pub(crate) async fn dataplane(
    State(api): State<Shared>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let key = api.tokens.as_ref().ok_or_else(|| {
        let detail =
            "this control plane issues no tokens: ask the zone that the data plane connects to";
        Problem::new(StatusCode::BAD_REQUEST, "Could not issue a token", detail)
    })?;
    let body = body::read(&call.headers, body, api.max_body_bytes).await?;
    let request = document::one(document::Format::of(&call.headers), &body)
        .and_then(|document| serde_json::from_value(document).map_err(|error| error.to_string()))
        .map_err(Problem::bad_request)?;
    let (claims, valid_for) =
        claims(request).map_err(|violations| Problem::invalid("Invalid request", violations))?;
    let token = key.issue_dataplane(&claims, valid_for).map_err(|error| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Problem::new(status, "Could not issue a token", error.to_string())
    })?;
    let mut response = answer::plain(StatusCode::OK, token.expose().to_owned());
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn claims(request: TokenRequest) -> Result<(DataplaneClaims, Duration), Violations> {
    let mut violations = Violations::default();
    let mesh = request.mesh.unwrap_or_default();
    if mesh.is_empty() {
        violations.add("mesh", "cannot be empty");
    }
    let valid_for = validity(&request.valid_for.unwrap_or_default(), &mut violations);
    let proxy_type = request.r#type.filter(|given| !given.is_empty());
    let proxy_type = proxy_type.unwrap_or_else(|| PROXY_TYPES[0].to_owned());
    if !PROXY_TYPES.contains(&proxy_type.as_str()) {
        violations.add("type", format!("{proxy_type} is not a valid proxy type"));
    }
    if !violations.is_empty() {
        return Err(violations);
    }
    let claims = DataplaneClaims {
        name: request.name.unwrap_or_default(),
        mesh,
        tags: request.tags.unwrap_or_default(),
        proxy_type,
        workload: request.workload.unwrap_or_default(),
    };
    Ok((claims, valid_for))
}

/// A duration as Go writes it, `24h0m0s`.
fn validity(text: &str, violations: &mut Violations) -> Duration {
    if text.is_empty() {
        return DEFAULT_VALIDITY;
    }
    let parsed = text
        .parse::<SignedDuration>()
        .map_err(|error| error.to_string());
    let duration = parsed.and_then(|duration| {
        Duration::try_from(duration).map_err(|_| "must not be negative".to_owned())
    });
    duration.unwrap_or_else(|error| {
        violations.add(
            "validFor",
            format!("is invalid: {error}; write it as in 24h or 1h30m"),
        );
        Duration::ZERO
    })
}
