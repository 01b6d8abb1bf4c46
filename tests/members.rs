//! Members of a mesh: a RateLimit and a FaultInjection act once for a request, wherever it comes from.

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use portolan_sandbox::{Gateway, Global, Sandbox, Zone, free_port, until};
use serde_json::{Value, json};
use support::{HOST, LIMIT, gateway, global, mesh_gateway, route, route_url, sandbox, zone};

const MESH: &str = "/meshes/default";
/// What the gateway lets through, and what the member `web`.
const LIMITS: [(&str, usize); 2] = [("edge-gateway", 3), ("web", 2)];
/// What either sends.
const SENT: usize = 10;

/// An application that counts its requests.
struct Application {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Application {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<AtomicUsize> = Arc::default();
        let counted = Arc::clone(&requests);
        let router = axum::Router::new().fallback(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async { "api" }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, requests }
    }

    /// How many since this was last asked.
    fn requests(&self) -> usize {
        self.requests.swap(0, Ordering::Relaxed)
    }
}

/// A gateway and the member `web`, both before the member `api`.
struct Site {
    sandbox: Sandbox,
    global: Global,
    _zone: Zone,
    api: Application,
    /// The proxies of the gateway, of `web` and of `api`.
    proxies: [Gateway; 3],
    /// Where requests go to the gateway, and where `web` sends those for `api`.
    doors: [SocketAddr; 2],
}

impl Site {
    async fn start(mesh: &Value) -> Self {
        let sandbox = sandbox();
        let global = global(&sandbox).await;
        global.http.put(MESH, mesh).await.unwrap();
        permit_everybody(&global).await;
        let zone = zone(&sandbox, "zone-1", &global).await;
        let application = Application::start().await;
        let [front, out, web_in, api_in] =
            [(); 4].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port().unwrap())));
        let inbound = |port: u16, to: u16, service: &str| {
            json!([{
                "port": port, "servicePort": to,
                "tags": { "kuma.io/service": service, "kuma.io/protocol": "http" },
            }])
        };
        let api = json!({
            "address": "127.0.0.1",
            "inbound": inbound(api_in.port(), application.address.port(), "api"),
        });
        let web = json!({
            "address": "127.0.0.1",
            "inbound": inbound(web_in.port(), application.address.port(), "web"),
            "outbound": [{ "port": out.port(), "tags": { "kuma.io/service": "api" } }],
        });
        let mut api = sandbox
            .proxy(&zone, "default", "api-1", &api)
            .await
            .unwrap();
        let mut web = sandbox
            .proxy(&zone, "default", "web-1", &web)
            .await
            .unwrap();
        let edge = "/meshes/default/meshgateways/edge";
        let listener = mesh_gateway(front.port());
        global.http.put(edge, &listener).await.unwrap();
        let to_api = route("api", "/api", "api");
        global.http.put(&route_url("api"), &to_api).await.unwrap();
        let mut gateway = gateway(&sandbox, &zone, "edge-1", Ipv4Addr::LOCALHOST.into()).await;
        api.listening(api_in.port()).await.unwrap();
        web.listening(out.port()).await.unwrap();
        gateway.listening(front.port()).await.unwrap();
        let site = Self {
            sandbox,
            global,
            _zone: zone,
            api: application,
            proxies: [gateway, web, api],
            doors: [front, out],
        };
        for door in 0..2 {
            until("both ways to the application", LIMIT, async || {
                (site.ask(door).await == Some(200)).then_some(())
            })
            .await
            .unwrap();
        }
        site.api.requests();
        site
    }

    /// The status of one answer.
    async fn ask(&self, door: usize) -> Option<u16> {
        let url = format!("http://{}/api", self.doors[door]);
        // What a client says of itself must not count.
        let request = reqwest::Client::new().get(url).header("host", HOST);
        let request = request.header("x-kuma-tags", "&kuma.io/service=nobody&");
        let answer = request.send().await.ok()?;
        Some(answer.status().as_u16())
    }

    /// How many of [`SENT`] requests got this status.
    async fn send(&self, door: usize, status: u16) -> usize {
        let mut count = 0;
        for _ in 0..SENT {
            count += usize::from(self.ask(door).await == Some(status));
        }
        count
    }

    /// Writes a policy for each of the two ways, and waits until all proxies have it.
    async fn put(&self, kind: &str, path: &str, conf: impl Fn(usize) -> Value) {
        for (service, limit) in LIMITS {
            let mut policy = json!({
                "type": kind, "mesh": "default", "name": service,
                "sources": [{ "match": { "kuma.io/service": service } }],
                "destinations": [{ "match": { "kuma.io/service": "api" } }],
                "conf": conf(limit),
            });
            if kind == "FaultInjection" {
                policy["destinations"][0]["match"]["kuma.io/protocol"] = "http".into();
            }
            let path = format!("/meshes/default/{path}/{service}");
            self.global.http.put(&path, &policy).await.unwrap();
        }
        self.served().await;
    }

    async fn delete(&self, path: &str) {
        for (service, _) in LIMITS {
            let path = format!("/meshes/default/{path}/{service}");
            self.global.http.delete(&path).await.unwrap();
        }
        self.served().await;
    }

    /// Waits until all proxies serve what was written, and nothing else any more: a listener that changes leaves the
    /// connections that it has alone for a second.
    async fn served(&self) {
        let revision = self.global.http.get("/_status").await.unwrap()["revision"].as_u64();
        until("all proxies serving all", LIMIT, async || {
            let status = self.global.http.get("/_status").await.ok()?;
            let instances = status["zones"][0]["instances"].as_array()?.clone();
            let serves = |one: &Value| one["servedRevision"].as_u64() >= revision;
            (instances.len() == 3 && instances.iter().all(serves)).then_some(())
        })
        .await
        .unwrap();
        until("no old listeners", LIMIT, async || {
            let warming = self.statistic("listeners_warming").await;
            let draining = self.statistic("_draining").await;
            (warming == [0; 3] && draining == [0; 3]).then_some(())
        })
        .await
        .unwrap();
    }

    /// The sums of a statistic in each proxy.
    async fn statistic(&self, end: &str) -> [usize; 3] {
        let mut sums = [0; 3];
        for (sum, proxy) in sums.iter_mut().zip(&self.proxies) {
            let all = proxy.admin("/stats").await.unwrap();
            let values = all.lines().filter_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.ends_with(end)
                    .then(|| value.trim().parse::<usize>().ok())?
            });
            *sum = values.sum();
        }
        sums
    }
}

fn strict() -> Value {
    json!({
        "type": "Mesh", "name": "default",
        "mtls": { "enabledBackend": "ca-1", "backends": [{ "name": "ca-1", "type": "builtin" }] },
    })
}

async fn permit_everybody(global: &Global) {
    let permission = json!({
        "type": "TrafficPermission", "mesh": "default", "name": "everybody",
        "sources": [{ "match": { "kuma.io/service": "*" } }],
        "destinations": [{ "match": { "kuma.io/service": "*" } }],
    });
    let path = "/meshes/default/traffic-permissions/everybody";
    global.http.put(path, &permission).await.unwrap();
}

/// Which of the proxies acts on requests at a door.
async fn acts_once(mesh: &Value, acting: [usize; 2]) {
    let site = Site::start(mesh).await;
    let only = |door: usize| {
        let mut counts = [0; 3];
        counts[acting[door]] = SENT;
        counts
    };
    let limit = |requests| json!({ "http": { "requests": requests, "interval": "1h" } });
    site.put("RateLimit", "rate-limits", limit).await;
    let counted = "http_local_rate_limit.enabled";
    for (door, (_, limit)) in LIMITS.into_iter().enumerate() {
        let before = site.statistic(counted).await;
        assert_eq!(site.send(door, 429).await, SENT - limit);
        assert_eq!(site.api.requests(), limit);
        assert_eq!(more(before, site.statistic(counted).await), only(door));
    }
    site.delete("rate-limits").await;

    // Everybody tries again what was answered with this status.
    let abort = |_| json!({ "abort": { "percentage": 100, "httpStatus": 503 } });
    site.put("FaultInjection", "fault-injections", abort).await;
    let injected = "fault.aborts_injected";
    for door in 0..2 {
        let before = site.statistic(injected).await;
        assert_eq!(site.send(door, 503).await, SENT);
        assert_eq!(site.api.requests(), 0);
        assert_eq!(more(before, site.statistic(injected).await), only(door));
    }
    site.delete("fault-injections").await;
    for door in 0..2 {
        assert_eq!(site.send(door, 200).await, SENT);
        assert_eq!(site.api.requests(), SENT);
    }
}

fn more(before: [usize; 3], after: [usize; 3]) -> [usize; 3] {
    std::array::from_fn(|proxy| after[proxy] - before[proxy])
}

#[tokio::test(flavor = "multi_thread")]
async fn with_mutual_tls_the_member_that_is_reached_acts() {
    acts_once(&strict(), [2, 2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_mutual_tls_whoever_sends_acts() {
    let plain = json!({ "type": "Mesh", "name": "default" });
    acts_once(&plain, [0, 1]).await;
}

/// What the application of `web` sends is logged by its proxy, into a file or to a collector.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_logs_what_its_application_sends() {
    let site = Site::start(&json!({ "type": "Mesh", "name": "default" })).await;
    let file = site.sandbox.folder().join("requests");
    let collector = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let format =
        "%KUMA_SOURCE_SERVICE% %KUMA_TRAFFIC_DIRECTION% %KUMA_DESTINATION_SERVICE% %RESPONSE_CODE%";
    let mesh = json!({
        "type": "Mesh", "name": "default",
        "logging": { "backends": [
            { "name": "file", "type": "file", "format": format, "conf": { "path": file } },
            {
                "name": "collector", "type": "tcp", "format": format,
                "conf": { "address": collector.local_addr().unwrap().to_string() },
            },
        ] },
    });
    site.global.http.put(MESH, &mesh).await.unwrap();
    let log = |backend: &str| {
        json!({
            "type": "TrafficLog", "mesh": "default", "name": "web",
            "sources": [{ "match": { "kuma.io/service": "web" } }],
            "destinations": [{ "match": { "kuma.io/service": "api" } }],
            "conf": { "backend": backend },
        })
    };
    let path = "/meshes/default/traffic-logs/web";
    let expected = "web OUTBOUND api 200\n";
    site.global.http.put(path, &log("file")).await.unwrap();
    site.served().await;
    for door in 0..2 {
        assert_eq!(site.ask(door).await, Some(200));
    }
    until("the line in the file", LIMIT, async || {
        let written = std::fs::read_to_string(&file).unwrap_or_default();
        (!written.is_empty()).then_some(written)
    })
    .await
    .map(|written| assert_eq!(written, expected, "of web alone"))
    .unwrap();

    site.global.http.put(path, &log("collector")).await.unwrap();
    site.served().await;
    assert_eq!(site.ask(1).await, Some(200));
    let (mut stream, _) = tokio::time::timeout(LIMIT, collector.accept())
        .await
        .unwrap()
        .unwrap();
    let mut line = vec![0; expected.len()];
    let read = tokio::io::AsyncReadExt::read_exact(&mut stream, &mut line);
    tokio::time::timeout(LIMIT, read).await.unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&line), expected);
}
