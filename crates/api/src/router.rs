//! Which path leads where: made from the registry of kinds.

use std::sync::Arc;

use axum::Router;
use http::StatusCode;

use crate::{answer, config::Api};

/// What every handler gets.
pub(crate) type Shared = Arc<Api>;

/// The whole API.
pub fn router(api: Api) -> Router {
    Router::new()
        .fallback(async || answer::plain(StatusCode::NOT_FOUND, "404: Page Not Found"))
        .method_not_allowed_fallback(async || {
            answer::plain(StatusCode::METHOD_NOT_ALLOWED, "405: Method Not Allowed")
        })
        .with_state(Arc::new(api))
}
