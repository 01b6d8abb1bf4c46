//! An nginx before a delegated gateway's proxy: it reaches services of the mesh on ports of loopback, and
//! needs to know nothing of their instances.

#![allow(clippy::unwrap_used)]

mod support;

use std::net::SocketAddr;

use portolan_sandbox::{Zone, free_port, until};
use serde_json::{Value, json};
use support::{LIMIT, answered, ask, global, sandbox, zone};

/// More requests in a row than there are instances.
const ROUNDS: usize = 8;

/// Waits until some requests in a row are answered by one instance alone.
async fn answered_by_only(listener: SocketAddr, expected: &str) {
    let what = format!("{listener} answered by {expected} alone");
    until(&what, LIMIT, async || {
        for _ in 0..ROUNDS {
            if ask(listener, "/").await.as_deref() != Some(expected) {
                return None;
            }
        }
        Some(())
    })
    .await
    .unwrap();
}

async fn leave(zone: &Zone, name: &str) {
    let url = format!("/meshes/default/dataplanes/{name}");
    zone.http.delete(&url).await.unwrap();
}

/// What a service says that it was asked with.
async fn headers(listener: SocketAddr) -> Value {
    let Ok(answer) = reqwest::get(format!("http://{listener}/")).await else {
        return Value::Null;
    };
    let told: Value = answer.json().await.unwrap_or_default();
    told["headers"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_reaches_services_through_a_delegated_proxy() {
    let sandbox = sandbox();
    let global = global(&sandbox).await;
    let zone = zone(&sandbox, "zone-1", &global).await;
    let [api, db] = [(); 2].map(|()| free_port().unwrap());
    let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let networking = json!({
        "address": "127.0.0.1",
        "gateway": { "type": "DELEGATED", "tags": { "kuma.io/service": "nginx" } },
        "outbound": [
            { "port": api, "tags": { "kuma.io/service": "api" } },
            { "port": db, "tags": { "kuma.io/service": "db" } },
        ],
    });
    let mut proxy = sandbox
        .proxy(&zone, "default", "nginx-1", &networking)
        .await
        .unwrap();
    proxy.listening(api).await.unwrap();
    let nginx = sandbox.nginx("nginx", at(api)).await.unwrap();
    answered(nginx.address, "/", "502").await;

    let one = sandbox.echo("api-1", "one").await.unwrap();
    zone.register("default", "api-1", "api", one.address)
        .await
        .unwrap();
    answered(nginx.address, "/", "one").await;
    // The first instance says that the service speaks HTTP; until then the proxy passes bytes on.
    let tags = "&kuma.io/service=nginx&&kuma.io/zone=zone-1&";
    until("requests with the gateway's tags", LIMIT, async || {
        (headers(nginx.address).await["x-kuma-tags"] == tags).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(headers(nginx.address).await["x-forwarded-for"], "127.0.0.1");

    // One that comes is used, one that goes is not.
    let two = sandbox.echo("api-2", "two").await.unwrap();
    zone.register("default", "api-2", "api", two.address)
        .await
        .unwrap();
    answered(nginx.address, "/", "two").await;
    leave(&zone, "api-1").await;
    answered_by_only(nginx.address, "two").await;

    // A service without instances comes back by itself.
    leave(&zone, "api-2").await;
    answered(nginx.address, "/", "502").await;
    zone.register("default", "api-1", "api", one.address)
        .await
        .unwrap();
    answered_by_only(nginx.address, "one").await;

    // What does not say that it speaks HTTP gets bytes.
    let bytes = json!({
        "type": "Dataplane",
        "mesh": "default",
        "name": "db-1",
        "networking": {
            "address": "127.0.0.1",
            "inbound": [{ "port": two.address.port(), "tags": { "kuma.io/service": "db" } }],
        },
    });
    let url = "/meshes/default/dataplanes/db-1";
    zone.http.put(url, &bytes).await.unwrap();
    answered(at(db), "/", "two").await;

    let url = "/meshes/default/dataplanes/nginx-1";
    let dataplane = zone.http.get(url).await.unwrap();
    assert_eq!(dataplane["labels"]["kuma.io/proxy-type"], "gateway");
    until("a delegated instance in the status", LIMIT, async || {
        let status = global.http.get("/_status").await.ok()?;
        let instance = &status["zones"][0]["instances"][0];
        (instance["name"] == "nginx-1" && instance["delegated"] == true).then_some(())
    })
    .await
    .unwrap();
}
