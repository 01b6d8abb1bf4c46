//! What the whole-system tests share: topologies, writers, and requests through gateways.

#![allow(dead_code, unreachable_pub, clippy::expect_used, clippy::unwrap_used)] // Each test file uses a part; tests may panic.

pub mod load;
pub mod proxy;
pub mod site;
pub mod tls;
pub mod tokens;

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use portolan_sandbox::{
    Gateway, GatewayOptions, Global, GlobalOptions, Http, Sandbox, Zone, ZoneOptions, until,
};
use serde_json::{Value, json};

/// Longest time that a condition may take; far more than any needs.
pub const LIMIT: Duration = Duration::from_secs(60);
/// The host that gateways serve.
pub const HOST: &str = "foo.example.com";

/// A sandbox that runs the binary under test.
pub fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_portolan")).unwrap()
}

/// A global on SQLite.
pub async fn global(sandbox: &Sandbox) -> Global {
    sandbox.global(&GlobalOptions::default()).await.unwrap()
}

/// A zone of a global, connected, with the mesh on its disk.
pub async fn zone(sandbox: &Sandbox, name: &str, global: &Global) -> Zone {
    let zone = sandbox
        .zone(name, &[global], &ZoneOptions::default())
        .await
        .unwrap();
    global.zones_online(&[name]).await.unwrap();
    until("the mesh in the zone", LIMIT, async || {
        zone.http.get("/meshes/default").await.ok()
    })
    .await
    .unwrap();
    zone
}

/// A gateway that listens on `port` for [`HOST`].
pub fn mesh_gateway(port: impl Into<u32>) -> Value {
    json!({
        "type": "MeshGateway",
        "mesh": "default",
        "name": "edge",
        "selectors": [{ "match": { "kuma.io/service": "edge-gateway" } }],
        "conf": { "listeners": [{ "port": port.into(), "protocol": "HTTP", "hostname": HOST }] },
    })
}

/// A route for one path prefix to one service.
pub fn route(name: &str, path: &str, service: &str) -> Value {
    json!({
        "type": "MeshGatewayRoute",
        "mesh": "default",
        "name": name,
        "selectors": [{ "match": { "kuma.io/service": "edge-gateway" } }],
        "conf": { "http": { "rules": [{
            "matches": [{ "path": { "match": "PREFIX", "value": path } }],
            "backends": [{ "destination": { "kuma.io/service": service } }],
        }] } },
    })
}

/// Where a route is written.
pub fn route_url(name: &str) -> String {
    format!("/meshes/default/meshgatewayroutes/{name}")
}

/// Starts a gateway instance of service `edge-gateway`.
pub async fn gateway(sandbox: &Sandbox, zone: &Zone, name: &str, address: IpAddr) -> Gateway {
    let options = GatewayOptions {
        name: name.to_owned(),
        mesh: "default".to_owned(),
        address,
        service: "edge-gateway".to_owned(),
    };
    sandbox.gateway(zone, &options).await.unwrap()
}

/// Names of all routes that a control plane has, by the name that their author gave them.
pub async fn route_names(http: &Http) -> Option<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut offset = 0;
    loop {
        let path = format!("/meshgatewayroutes?size=1000&offset={offset}");
        let page = http.get(&path).await.ok()?;
        let items = page["items"].as_array()?;
        for item in items {
            let shown = &item["labels"]["kuma.io/display-name"];
            names.insert(shown.as_str().or(item["name"].as_str())?.to_owned());
        }
        offset += items.len();
        if page["next"].is_null() {
            return Some(names);
        }
    }
}

/// Waits until a control plane has these routes at least.
pub async fn has_routes(what: &str, http: &Http, expected: &BTreeSet<String>) {
    until(
        &format!("{what} having {} routes", expected.len()),
        LIMIT,
        async || {
            let names = route_names(http).await?;
            expected.is_subset(&names).then_some(())
        },
    )
    .await
    .unwrap();
}

/// Writers that go on until they are stopped, and remember what was acknowledged.
pub struct Writers {
    acknowledged: Arc<Mutex<BTreeSet<String>>>,
    /// Status codes of refused writes.
    refused: Arc<Mutex<BTreeSet<u16>>>,
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Writers {
    /// `count` writers on one control plane; names begin with `prefix`. Each makes at most `most` writes.
    pub fn start(http: &Http, prefix: &str, count: usize, most: usize) -> Self {
        let mut writers = Self {
            acknowledged: Arc::default(),
            refused: Arc::default(),
            stop: Arc::default(),
            tasks: Vec::new(),
        };
        for writer in 0..count {
            let (http, prefix) = (http.clone(), format!("{prefix}-{writer}"));
            let (acknowledged, refused) = (
                Arc::clone(&writers.acknowledged),
                Arc::clone(&writers.refused),
            );
            let stop = Arc::clone(&writers.stop);
            writers.tasks.push(tokio::spawn(async move {
                for number in 0..most {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let name = format!("{prefix}-{number}");
                    let body = route(&name, &format!("/{name}"), "api");
                    match http.put(&route_url(&name), &body).await {
                        Ok(_) => {
                            acknowledged.lock().unwrap().insert(name);
                        }
                        Err(portolan_sandbox::SandboxError::Refused { status, .. }) => {
                            refused.lock().unwrap().insert(status);
                        }
                        // The process is gone: nothing was acknowledged.
                        Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                    }
                }
            }));
        }
        writers
    }

    /// Waits until that many writes are acknowledged.
    pub async fn acknowledged(&self, count: usize) {
        until(&format!("{count} acknowledged writes"), LIMIT, async || {
            (self.acknowledged.lock().unwrap().len() >= count).then_some(())
        })
        .await
        .unwrap();
    }

    /// Stops them; the names that were acknowledged, and the status codes of what was refused.
    pub async fn stop(self) -> (BTreeSet<String>, BTreeSet<u16>) {
        self.stop.store(true, Ordering::Relaxed);
        self.finish().await
    }

    /// Waits until all have made all their writes.
    pub async fn finish(self) -> (BTreeSet<String>, BTreeSet<u16>) {
        for task in self.tasks {
            task.await.unwrap();
        }
        let refused = self.refused.lock().unwrap().clone();
        let acknowledged = self.acknowledged.lock().unwrap().clone();
        (acknowledged, refused)
    }
}

/// Who answers a path through a gateway: the service, or the status code as text.
pub async fn ask(listener: SocketAddr, path: &str) -> Option<String> {
    // A connection for each request, so that every instance behind the port gets some.
    let client = reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .timeout(LIMIT)
        .build()
        .unwrap();
    let answer = client
        .get(format!("http://{listener}{path}"))
        .header("host", HOST)
        .send()
        .await
        .ok()?;
    let service = answer
        .headers()
        .get("x-echo-service")
        .and_then(|name| name.to_str().ok());
    Some(service.map_or_else(|| answer.status().as_u16().to_string(), str::to_owned))
}

/// Waits until a path is answered so.
pub async fn answered(listener: SocketAddr, path: &str, expected: &str) {
    until(
        &format!("{path} on {listener} answered by {expected}"),
        LIMIT,
        async || (ask(listener, path).await.as_deref() == Some(expected)).then_some(()),
    )
    .await
    .unwrap();
}
