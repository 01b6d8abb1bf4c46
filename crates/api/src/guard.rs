//! Around every request: a limit of time, the last resort against panics, and the log of refusals.

use std::any::Any;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::{error, info, warn};

use crate::{
    problem::{Logged, Problem},
    router::Shared,
};

/// Longest part of a path that is logged, in bytes.
const LOGGED_PATH: usize = 200;
/// Seconds after which a client whose request took too long should try again.
const RETRY_AFTER_SECONDS: u32 = 5;

/// Ends requests that take too long, and logs writes that are refused.
pub(crate) async fn guard(State(api): State<Shared>, request: Request, next: Next) -> Response {
    let write =
        (!request.method().is_safe()).then(|| (request.method().clone(), request.uri().clone()));
    let answer = tokio::time::timeout(api.timeout, next.run(request)).await;
    let response = answer.unwrap_or_else(|_| too_slow(&api));
    if let Some((method, uri)) = write
        && response.status().as_u16() >= 400
    {
        let status = response.status().as_u16();
        let reason = response
            .extensions()
            .get::<Logged>()
            .map(|logged| logged.0.as_str());
        let path = uri.path().get(..LOGGED_PATH).unwrap_or(uri.path());
        if status >= 500 {
            warn!(%method, path, status, reason, "a write failed");
        } else {
            info!(%method, path, status, reason, "a write was refused");
        }
    }
    response
}

fn too_slow(api: &Shared) -> Response {
    let detail = format!(
        "the request took longer than {:?}; if it was a write, read again to see whether it is there",
        api.timeout
    );
    Problem::unavailable(detail, RETRY_AFTER_SECONDS).into_response()
}

/// The answer to a request whose handler panicked.
pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    error!(
        panic = text,
        "a request ended in a panic; this is a bug, please report it"
    );
    Problem::internal().into_response()
}
