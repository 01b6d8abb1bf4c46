//! `GET /meshes/{mesh}/meshgateways/{name}/_explain`: where a request goes, and why.

use axum::{extract::State, response::Response};
use http::StatusCode;
use portolan_gateway::{
    explain::{Explanation, Request, explain as explained},
    plan::port::Protocol,
};
use portolan_model::{Violations, kinds};

use crate::{
    answer,
    call::{Call, Query},
    config::Role,
    problem::Problem,
    router::Shared,
    write::refusal::check_mesh,
};

/// Explains one request. On a zone for its own gateway instances, on a global for those of `zone` or of all.
pub(crate) async fn explain(State(api): State<Shared>, call: Call) -> Result<Response, Problem> {
    let snapshot = api.store.index().snapshot();
    check_mesh(&snapshot, kinds::MESH_GATEWAY, &call.mesh)?;
    let request = request(&call.query)
        .map_err(|violations| Problem::invalid("Could not explain a request", violations))?;
    // With thousands of routes this takes milliseconds.
    let work = tokio::task::spawn_blocking(move || {
        let zone = match (&api.role, call.query.first("zone")) {
            (Role::Zone { name }, "") => Some(name.as_str()),
            (_, "") => None,
            (_, zone) => Some(zone),
        };
        let chart = api.gateways.mesh(&api.role, &snapshot, &call.mesh);
        explained(&chart, &call.name, &request, zone)
    });
    let explanation: Option<Explanation> = work.await.map_err(|_| Problem::internal())?;
    let explanation =
        explanation.ok_or_else(|| Problem::not_found("Could not find MeshGateway"))?;
    Ok(answer::json(StatusCode::OK, &explanation))
}

/// The request that the parameters describe.
fn request(query: &Query) -> Result<Request, Violations> {
    let mut violations = Violations::default();
    let or = |value: &str, default: &str| if value.is_empty() { default } else { value }.to_owned();
    if ["host", "sni", "port"]
        .iter()
        .all(|name| query.first(name).is_empty())
    {
        violations.add("host", "cannot be empty unless there is an sni or a port");
    }
    let protocol = match query.first("scheme") {
        "" => None,
        "http" => Some(Protocol::Http),
        "https" => Some(Protocol::Https),
        "tls" => Some(Protocol::Tls),
        "tcp" => Some(Protocol::Tcp),
        _ => {
            violations.add("scheme", "must be http, https, tls or tcp");
            None
        }
    };
    let port = match query.first("port") {
        "" => None,
        text => {
            let port = text.parse().ok().filter(|port| *port != 0);
            if port.is_none() {
                violations.add("port", "must be a number between 1 and 65535");
            }
            port
        }
    };
    let mut headers = Vec::new();
    for header in query.all("header") {
        match header.split_once(':') {
            Some((name, value)) if !name.trim().is_empty() => {
                headers.push((name.trim().to_owned(), value.trim().to_owned()));
            }
            _ => violations.add(
                "header",
                format!("{header:?} is no header: write NAME:VALUE"),
            ),
        }
    }
    if !violations.is_empty() {
        return Err(violations);
    }
    Ok(Request {
        host: query.first("host").to_owned(),
        path: or(query.first("path"), "/"),
        method: or(query.first("method"), "GET"),
        headers,
        port,
        protocol,
        sni: Some(query.first("sni"))
            .filter(|name| !name.is_empty())
            .map(str::to_owned),
    })
}
