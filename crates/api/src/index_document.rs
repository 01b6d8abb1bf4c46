//! `GET /`: who answers.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde_json::json;

use crate::{answer, config::Role, router::Shared};

/// The product that kumactl insists on.
const PRODUCT: &str = "Kuma";
/// The version of Kuma whose API this is; kumactl warns when its own differs.
const KUMA_VERSION: &str = "2.14.3";

/// Kuma's index, and what is Portolan's under a key of its own.
pub(crate) async fn index(State(api): State<Shared>) -> Response {
    let (mode, zone) = match &api.role {
        Role::Global => ("global", None),
        Role::Zone { name } => ("zone", Some(name)),
    };
    let mut document = json!({
        "hostname": api.instance.hostname,
        "product": PRODUCT,
        "version": KUMA_VERSION,
        "instanceId": api.instance.id,
        "clusterId": api.instance.cluster_id,
        "portolan": { "version": api.instance.version, "mode": mode },
    });
    if let Some(zone) = zone {
        document["portolan"]["zone"] = zone.as_str().into();
    }
    answer::json(StatusCode::OK, &document)
}

/// `GET /_health` and `GET /_ready`: the process answers, and up to where its index is.
pub(crate) async fn health(State(api): State<Shared>) -> Response {
    let revision = api.store.index().snapshot().revision();
    answer::json(
        StatusCode::OK,
        &json!({ "status": "ok", "revision": revision }),
    )
}
