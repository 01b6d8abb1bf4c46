//! `POST /bootstrap`: gives a data plane the configuration that its Envoy starts with.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header, uri::Authority},
    response::{IntoResponse, Response},
    routing::post,
};
use portolan_dataplane::bootstrap::{self, Request, Settings};
use tracing::info;

use super::Args;

/// What every bootstrap of this zone says.
pub(crate) fn settings(args: &Args, data_dir: &Path) -> anyhow::Result<Settings> {
    // A certificate from outside is one that the data planes are told to trust, or trust anyway.
    let ca_pem = match &args.dp_tls.certificate {
        Some(_) => String::new(),
        None => {
            let path = data_dir.join("ca/ca.pem");
            std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?
        }
    };
    Ok(Settings {
        ca_pem,
        requires_token: !args.dp_without_token,
        port: args.dp_bind.port(),
        server_names: args.dp_names.clone(),
        ..Settings::default()
    })
}

/// The route.
pub(crate) fn router(settings: Settings) -> Router {
    Router::new()
        .route("/bootstrap", post(answer))
        .with_state(Arc::new(settings))
}

async fn answer(
    State(settings): State<Arc<Settings>>,
    uri: Uri,
    headers: HeaderMap,
    Json(request): Json<Request>,
) -> Response {
    // HTTP/2 has the authority in place of the header.
    let header = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let host = uri
        .authority()
        .map(Authority::as_str)
        .or(header)
        .unwrap_or_default();
    match bootstrap::render(&request, &settings, host) {
        Ok(answer) => {
            let json = headers
                .get(header::ACCEPT)
                .is_some_and(|accept| accept.as_bytes().starts_with(b"application/json"));
            if json {
                Json(answer.json()).into_response()
            } else {
                ([("kuma-bootstrap-version", "3")], answer.yaml).into_response()
            }
        }
        Err(error) => {
            info!(mesh = request.mesh, name = request.name, %error, "bootstrap refused");
            let status =
                StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
            (status, error.to_string()).into_response()
        }
    }
}
