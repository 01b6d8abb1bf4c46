//! A service outside the mesh, from the global's REST API to a client: over TLS with a certificate of the
//! gateway's own, and as far as a TrafficPermission lets it.

#![allow(clippy::unwrap_used)]

mod support;

use std::net::SocketAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use portolan_sandbox::{free_port, loopback_with_free_port};
use serde_json::{Value, json};
use support::{HOST, answered, gateway, global, route, route_url, sandbox, zone};

const EXTERNAL: &str = "/meshes/default/external-services/bank";
const PERMISSION: &str = "/meshes/default/traffic-permissions/guard";

/// A gateway that is two things: an HTTPS server, which plays the service outside, and the way to it.
fn mesh_gateway(https: u16, http: u16) -> Value {
    let tls = json!({ "mode": "TERMINATE", "certificates": [{ "secret": "shop" }] });
    json!({
        "type": "MeshGateway",
        "mesh": "default",
        "name": "edge",
        "selectors": [{ "match": { "kuma.io/service": "edge-gateway" } }],
        "conf": { "listeners": [
            { "port": https, "protocol": "HTTPS", "hostname": HOST, "tls": tls, "tags": { "side": "outside" } },
            { "port": http, "protocol": "HTTP", "hostname": HOST, "tags": { "side": "inside" } },
        ] },
    })
}

fn route_of(side: &str, service: &str) -> Value {
    let mut route = route(side, "/api", service);
    route["selectors"] = json!([{ "match": { "kuma.io/service": "edge-gateway", "side": side } }]);
    route
}

fn external(at: SocketAddr) -> Value {
    let shop = json!({ "secret": "shop" });
    json!({
        "type": "ExternalService",
        "mesh": "default",
        "name": "bank",
        "tags": { "kuma.io/service": "bank", "kuma.io/protocol": "http" },
        "networking": {
            "address": at.to_string(),
            "tls": {
                "enabled": true,
                "serverName": HOST,
                "caCert": shop,
                "clientCert": shop,
                "clientKey": shop,
            },
        },
    })
}

fn permission(source: &str) -> Value {
    json!({
        "type": "TrafficPermission",
        "mesh": "default",
        "name": "guard",
        "sources": [{ "match": { "kuma.io/service": source } }],
        "destinations": [{ "match": { "kuma.io/service": "bank" } }],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_outside_is_reached_over_tls_as_far_as_it_is_permitted() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let sandbox = sandbox();
    let global = global(&sandbox).await;
    let zone = zone(&sandbox, "zone-1", &global).await;
    let echo = sandbox.echo("api-1", "api").await.unwrap();
    zone.register("default", "api-1", "api", echo.address)
        .await
        .unwrap();
    let [https, http] = [(); 2].map(|()| free_port().unwrap());
    let address = loopback_with_free_port(12, https).unwrap();
    let (outside, inside) = (
        SocketAddr::new(address, https),
        SocketAddr::new(address, http),
    );
    let signed = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
    let bundle = signed.cert.pem() + &signed.signing_key.serialize_pem();
    let secret = json!({
        "type": "Secret",
        "mesh": "default",
        "name": "shop",
        "data": STANDARD.encode(bundle),
    });
    let gateway_url = "/meshes/default/meshgateways/edge";
    for (url, resource) in [
        (gateway_url.to_owned(), mesh_gateway(https, http)),
        (route_url("outside"), route_of("outside", "api")),
        (route_url("inside"), route_of("inside", "bank")),
        ("/meshes/default/secrets/shop".to_owned(), secret),
    ] {
        global.http.put(&url, &resource).await.unwrap();
    }
    let running = gateway(&sandbox, &zone, "gw-1", address).await;
    answered(inside, "/api", "503").await;

    global.http.put(EXTERNAL, &external(outside)).await.unwrap();
    answered(inside, "/api", "api").await;

    global
        .http
        .put(PERMISSION, &permission("other"))
        .await
        .unwrap();
    answered(inside, "/api", "503").await;
    let edge = permission("edge-gateway");
    global.http.put(PERMISSION, &edge).await.unwrap();
    answered(inside, "/api", "api").await;

    global.http.delete(EXTERNAL).await.unwrap();
    answered(inside, "/api", "503").await;
    drop(running);
}
