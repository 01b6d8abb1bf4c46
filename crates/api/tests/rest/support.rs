//! What the tests share: an API over a store in memory, and requests to it.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, body::Body, extract::ConnectInfo};
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use portolan_api::{Api, Instance, Role, router};
use portolan_model::{Kind, Labels, ResourceKey};
use portolan_store::{Expect, Store, Write};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt;

/// The host that requests name.
pub(crate) const HOST: &str = "localhost:6681";

/// An API, its store, and what ends the store with the test.
pub(crate) struct Served {
    pub(crate) router: Router,
    pub(crate) store: Arc<dyn Store>,
    _end: DropGuard,
}

/// An answer that has come in full.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A zone's role.
pub(crate) fn zone(name: &str) -> Role {
    Role::Zone {
        name: name.to_owned(),
    }
}

/// The API of a role, over a store that holds the mesh `default`.
pub(crate) async fn serve(role: Role) -> Served {
    serve_with(|api| Api { role, ..api }).await
}

/// The API that `change` makes of the usual one, over a store that holds the mesh `default`.
pub(crate) async fn serve_with(change: impl FnOnce(Api) -> Api) -> Served {
    let cancel = CancellationToken::new();
    let store = portolan_store::memory::new(cancel.clone());
    let instance = Instance {
        id: "vm-6da3".to_owned(),
        hostname: "vm".to_owned(),
        cluster_id: "52e43dab".to_owned(),
        version: "0.1.0".to_owned(),
    };
    let api = change(Api {
        instance,
        ..Api::new(Arc::clone(&store))
    });
    let served = Served {
        router: router(api),
        store,
        _end: cancel.drop_guard(),
    };
    served
        .seed(&json!({ "type": "Mesh", "name": "default" }))
        .await;
    served
}

impl Served {
    /// Writes a resource past the API, as sync does.
    pub(crate) async fn seed(&self, resource: &Value) {
        let text = |field: &str| resource[field].as_str().unwrap_or_default();
        let kind = Kind::by_name(text("type")).unwrap();
        let labels: Labels = serde_json::from_value(resource["labels"].clone()).unwrap_or_default();
        let write = Write::Put {
            key: ResourceKey {
                kind,
                mesh: text("mesh").into(),
                name: text("name").into(),
            },
            labels,
            spec: kind.spec_from_json(resource).unwrap(),
            expect: Expect::Any,
            created: None,
        };
        self.store.commit(write.into()).await.unwrap();
    }

    /// Sends a request from the machine itself; `headers` are pairs.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        self.send_from("127.0.0.1", method, path, headers, body)
            .await
    }

    /// Sends a request from an address.
    pub(crate) async fn send_from(
        &self,
        peer: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let peer = SocketAddr::new(peer.parse().unwrap(), 50000);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .extension(ConnectInfo(peer))
            .header("host", HOST);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// GET.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], Body::empty()).await
    }

    /// PUT of JSON.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, &[], body.to_string()).await
    }

    /// DELETE.
    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], Body::empty()).await
    }

    /// The body of a GET that does not end, to be read piece by piece.
    pub(crate) async fn open(&self, path: &str) -> Lines {
        let request = Request::get(path)
            .header("host", HOST)
            .extension(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 50000))))
            .body(Body::empty())
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/x-ndjson");
        Lines {
            body: response.into_body(),
            text: Vec::new(),
        }
    }
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// Lines of JSON from a body.
pub(crate) struct Lines {
    body: Body,
    text: Vec<u8>,
}

impl Lines {
    /// The next line.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            if let Some(end) = self.text.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.text.drain(..=end).collect();
                return serde_json::from_slice(&line).unwrap();
            }
            let frame = self.body.frame().await.expect("the stream ended").unwrap();
            self.text.extend_from_slice(&frame.into_data().unwrap());
        }
    }
}

/// A gateway with one HTTP listener.
pub(crate) fn mesh_gateway(name: &str, port: u16) -> Value {
    json!({
        "type": "MeshGateway",
        "mesh": "default",
        "name": name,
        "selectors": [{ "match": { "kuma.io/service": "edge-gateway" } }],
        "conf": { "listeners": [{ "port": port, "protocol": "HTTP" }] },
    })
}
