//! `POST /tokens/…`: tokens by which data planes, zones and users show who they are.

mod request;

use axum::{body::Body, extract::State, response::Response};
use http::StatusCode;
use portolan_access::IssueError;
use portolan_identity::Secret;
use serde::de::DeserializeOwned;

use crate::{access, answer, call::Call, document, problem::Problem, router::Shared, write::body};

/// `POST /tokens/dataplane`: a data plane's token as plain text.
pub(crate) async fn dataplane(
    State(api): State<Shared>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let request = read::<request::Dataplane>(&api, &call, body, "data plane").await?;
    let (claims, valid_for) = request.claims().map_err(invalid)?;
    issued(api.tokens.issue_dataplane(&claims, valid_for).await)
}

/// `POST /tokens/zone`: a zone's token as plain text.
pub(crate) async fn zone(
    State(api): State<Shared>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let request = read::<request::Zone>(&api, &call, body, "zone").await?;
    let (claims, valid_for) = request.claims().map_err(invalid)?;
    issued(api.tokens.issue_zone(&claims, valid_for).await)
}

/// `POST /tokens/user`: a user's token as plain text.
pub(crate) async fn user(
    State(api): State<Shared>,
    call: Call,
    body: Body,
) -> Result<Response, Problem> {
    let request = read::<request::User>(&api, &call, body, "user").await?;
    let (claims, valid_for) = request.claims().map_err(invalid)?;
    issued(api.tokens.issue_user(&claims, valid_for).await)
}

/// The request of an administrator.
async fn read<T: DeserializeOwned>(
    api: &Shared,
    call: &Call,
    body: Body,
    kind: &str,
) -> Result<T, Problem> {
    access::admin_only(&call.user, &format!("generate {kind} tokens"))?;
    let body = body::read(&call.headers, body, api.max_body_bytes).await?;
    document::one(document::Format::of(&call.headers), &body)
        .and_then(|document| serde_json::from_value(document).map_err(|error| error.to_string()))
        .map_err(Problem::bad_request)
}

fn invalid(violations: portolan_model::Violations) -> Problem {
    Problem::invalid("Invalid request", violations)
}

fn issued(token: Result<Secret, IssueError>) -> Result<Response, Problem> {
    let token = token.map_err(refusal)?;
    let response = answer::plain(StatusCode::OK, token.expose().to_owned());
    Ok(access::unstored(response))
}

fn refusal(error: IssueError) -> Problem {
    let (status, title) = match error {
        IssueError::Store(error) => return error.into(),
        IssueError::NoKey { .. } => (StatusCode::NOT_FOUND, "Signing Key not found"),
        IssueError::NotHere => (StatusCode::BAD_REQUEST, "Could not issue a token"),
        IssueError::UnusableKey { .. } | IssueError::Key(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "Could not issue a token")
        }
    };
    Problem::new(status, title, error.to_string())
}
