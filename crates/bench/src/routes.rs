//! The resources under load: one gateway, and as many routes as wanted, each for a path of its own.

use serde_json::{Value, json};

/// The host that the gateway serves.
pub(crate) const HOST: &str = "bench.example.com";
/// The services that routes lead to.
pub(crate) const SERVICES: [&str; 2] = ["blue", "green"];

/// A gateway that listens on `port`.
pub(crate) fn gateway(port: u16) -> Value {
    json!({
        "type": "MeshGateway",
        "mesh": "default",
        "name": "edge",
        "selectors": [{ "match": { "kuma.io/service": "edge-gateway" } }],
        "conf": { "listeners": [{ "port": port, "protocol": "HTTP", "hostname": HOST }] },
    })
}

/// Route `number`, for its path, to a service.
pub(crate) fn route(number: usize, service: &str) -> Value {
    json!({
        "type": "MeshGatewayRoute",
        "mesh": "default",
        "name": format!("route-{number}"),
        "selectors": [{ "match": { "kuma.io/service": "edge-gateway" } }],
        "conf": { "http": { "rules": [{
            "matches": [{ "path": { "match": "PREFIX", "value": path(number) } }],
            "backends": [{ "destination": { "kuma.io/service": service } }],
        }] } },
    })
}

/// The path of route `number`.
pub(crate) fn path(number: usize) -> String {
    format!("/team-{}/service-{number}", number % 97)
}

/// Where route `number` is written.
pub(crate) fn url(number: usize) -> String {
    format!("/meshes/default/meshgatewayroutes/route-{number}")
}
