//! HTTPS and TCP listeners from the global's REST API to a client: certificates come, change and go.

#![allow(clippy::unwrap_used)]

mod support;

use std::net::SocketAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use portolan_sandbox::{free_port, loopback_with_free_port, until};
use serde_json::{Value, json};
use support::{HOST, LIMIT, answered, gateway, global, route, route_url, sandbox, zone};

const SECRET: &str = "/meshes/default/secrets/shop";

/// A certificate for [`HOST`] that signs itself.
struct Certificate {
    pem: String,
    key: String,
}

impl Certificate {
    fn new() -> Self {
        let signed = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
        Self {
            pem: signed.cert.pem(),
            key: signed.signing_key.serialize_pem(),
        }
    }

    fn secret(&self) -> Value {
        let data = STANDARD.encode(format!("{}{}", self.pem, self.key));
        json!({ "type": "Secret", "mesh": "default", "name": "shop", "data": data })
    }
}

/// The service that answers a client who trusts one certificate, and what HTTP was spoken.
async fn ask(listener: SocketAddr, trusted: &Certificate) -> Option<(String, reqwest::Version)> {
    let root = reqwest::Certificate::from_pem(trusted.pem.as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .resolve(HOST, listener)
        .add_root_certificate(root)
        .timeout(LIMIT)
        .build()
        .unwrap();
    let url = format!("https://{HOST}:{}/api", listener.port());
    let answer = client.get(url).send().await.ok()?;
    let service = answer.headers().get("x-echo-service")?.to_str().ok()?;
    Some((service.to_owned(), answer.version()))
}

async fn asked_until(listener: SocketAddr, trusted: &Certificate, answered: bool) {
    let what = format!("answer over TLS: {answered}");
    let condition = async || (ask(listener, trusted).await.is_some() == answered).then_some(());
    until(&what, LIMIT, condition).await.unwrap();
}

/// A gateway with a listener for HTTPS, one for HTTP and one for TCP.
fn mesh_gateway(https: u16, http: u16, tcp: u16) -> Value {
    let tls = json!({ "mode": "TERMINATE", "certificates": [{ "secret": "shop" }] });
    json!({
        "type": "MeshGateway",
        "mesh": "default",
        "name": "edge",
        "selectors": [{ "match": { "kuma.io/service": "edge-gateway" } }],
        "conf": { "listeners": [
            { "port": https, "protocol": "HTTPS", "hostname": HOST, "tls": tls },
            { "port": http, "protocol": "HTTP", "hostname": HOST },
            { "port": tcp, "protocol": "TCP" },
        ] },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_come_change_and_go() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let sandbox = sandbox();
    let global = global(&sandbox).await;
    let zone = zone(&sandbox, "zone-1", &global).await;
    let echo = sandbox.echo("api-1", "api").await.unwrap();
    zone.register("default", "api-1", "api", echo.address)
        .await
        .unwrap();
    let [https, http, tcp] = [(); 3].map(|()| free_port().unwrap());
    let address = loopback_with_free_port(10, https).unwrap();
    let at = |port| SocketAddr::new(address, port);

    let tcp_route = json!({
        "type": "MeshGatewayRoute",
        "mesh": "default",
        "name": "tcp",
        "selectors": [{ "match": { "kuma.io/service": "edge-gateway" } }],
        "conf": { "tcp": { "rules": [{
            "backends": [{ "destination": { "kuma.io/service": "api" } }],
        }] } },
    });
    let url = "/meshes/default/meshgateways/edge";
    global
        .http
        .put(url, &mesh_gateway(https, http, tcp))
        .await
        .unwrap();
    global
        .http
        .put(&route_url("api"), &route("api", "/api", "api"))
        .await
        .unwrap();
    global
        .http
        .put(&route_url("tcp"), &tcp_route)
        .await
        .unwrap();

    // Without its certificate one listener is closed, and the others serve.
    let running = gateway(&sandbox, &zone, "gw-1", address).await;
    answered(at(http), "/api", "api").await;
    answered(at(tcp), "/api", "api").await;
    let (first, second) = (Certificate::new(), Certificate::new());
    assert!(ask(at(https), &first).await.is_none());

    global.http.put(SECRET, &first.secret()).await.unwrap();
    asked_until(at(https), &first, true).await;
    let answer = ask(at(https), &first).await;
    assert_eq!(answer, Some(("api".to_owned(), reqwest::Version::HTTP_2)));

    global.http.put(SECRET, &second.secret()).await.unwrap();
    asked_until(at(https), &second, true).await;
    assert!(ask(at(https), &first).await.is_none());

    global.http.delete(SECRET).await.unwrap();
    asked_until(at(https), &second, false).await;
    answered(at(http), "/api", "api").await;
    answered(at(tcp), "/api", "api").await;
    drop(running);
}
