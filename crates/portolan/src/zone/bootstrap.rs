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
use portolan_dataplane::bootstrap::{self, Answer, Request, Settings};
use portolan_model::{ResourceKey, kinds};
use tracing::info;

use super::{Args, admission::Admission, registration::Registrar};

/// What answers are made of.
pub(crate) struct Bootstrap {
    /// What every bootstrap of this zone says.
    pub(crate) settings: Settings,
    /// Reads the Dataplanes that proxies bring.
    pub(crate) registrar: Arc<Registrar>,
    /// Checks the tokens of proxies.
    pub(crate) admission: Admission,
}

/// What every bootstrap of this zone says.
pub(crate) fn settings(
    args: &Args,
    data_dir: &Path,
    admission: &Admission,
) -> anyhow::Result<Settings> {
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
        requires_token: admission.requires_token(),
        port: args.dp_bind.port(),
        server_names: args.dp_names.clone(),
        ..Settings::default()
    })
}

/// The route.
pub(crate) fn router(bootstrap: Bootstrap) -> Router {
    Router::new()
        .route("/bootstrap", post(answer))
        .with_state(Arc::new(bootstrap))
}

async fn answer(
    State(zone): State<Arc<Bootstrap>>,
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
    match rendered(&zone, &request, host) {
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
        Err((status, reason)) => {
            info!(
                mesh = request.mesh,
                name = request.name,
                reason,
                "bootstrap refused"
            );
            (status, reason).into_response()
        }
    }
}

/// A proxy that would not be let in gets no bootstrap either.
fn rendered(
    zone: &Bootstrap,
    request: &Request,
    host: &str,
) -> Result<Answer, (StatusCode, String)> {
    let answer = bootstrap::render(request, &zone.settings, host).map_err(|error| {
        let status = StatusCode::from_u16(error.status());
        let status = status.unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
        (status, error.to_string())
    })?;
    let key = match &*request.proxy_type {
        "ingress" => ResourceKey::global(kinds::ZONE_INGRESS, &*request.name),
        _ => ResourceKey::in_mesh(kinds::DATAPLANE, &*request.mesh, &*request.name),
    };
    let brought = Some(&*request.dataplane_resource).filter(|text| !text.is_empty());
    let dataplane = zone
        .registrar
        .prepare(&key, brought)
        .map_err(|error| (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
    zone.admission
        .check(&key, &dataplane, request.dataplane_token.expose())
        .map_err(|denied| (denied.status(), denied.to_string()))?;
    Ok(answer)
}
