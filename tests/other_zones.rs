//! Services of other zones: reached through their ZoneIngresses by mutual TLS, used while the own zone has
//! none, and gone with a zone that is disabled.

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use portolan_sandbox::{Echo, Gateway, Global, Sandbox, Zone, free_port, until};
use serde_json::{Value, json};
use support::{
    HOST, LIMIT, answered, ask, gateway, global,
    load::{Load, say},
    mesh_gateway, route, route_url, sandbox, zone,
};
use tokio::net::TcpStream;

const MESH: &str = "/meshes/default";
/// How soon requests have to go elsewhere.
const SOON: Duration = Duration::from_secs(2);

fn mesh(locality_aware: bool) -> Value {
    json!({
        "type": "Mesh", "name": "default",
        "mtls": {
            "enabledBackend": "ca-1",
            "backends": [{ "name": "ca-1", "type": "builtin" }],
        },
        "routing": { "localityAwareLoadBalancing": locality_aware },
    })
}

/// Two zones: a gateway in the first, a ZoneIngress in the second, and a service `api`.
struct Site {
    sandbox: Sandbox,
    global: Global,
    zones: [Zone; 2],
    /// Where clients of the gateway connect.
    front: SocketAddr,
    _gateway: Gateway,
    ingress: Gateway,
}

/// A member of the mesh and its application.
struct Member {
    proxy: Gateway,
    /// Where it listens.
    back: SocketAddr,
    _echo: Echo,
}

fn somewhere() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port().unwrap()).into()
}

impl Site {
    async fn start() -> Self {
        let sandbox = sandbox();
        let global = global(&sandbox).await;
        global.http.put(MESH, &mesh(true)).await.unwrap();
        let permission = json!({
            "type": "TrafficPermission", "mesh": "default", "name": "api",
            "sources": [{ "match": { "kuma.io/service": "edge-gateway" } }],
            "destinations": [{ "match": { "kuma.io/service": "api" } }],
        });
        let at = "/meshes/default/traffic-permissions/api";
        global.http.put(at, &permission).await.unwrap();
        let zones = [
            zone(&sandbox, "zone-1", &global).await,
            zone(&sandbox, "zone-2", &global).await,
        ];
        let front = somewhere();
        let edge = "/meshes/default/meshgateways/edge";
        let listener = mesh_gateway(front.port());
        global.http.put(edge, &listener).await.unwrap();
        let api = route("api", "/api", "api");
        global.http.put(&route_url("api"), &api).await.unwrap();
        let mut gateway = gateway(&sandbox, &zones[0], "edge-1", Ipv4Addr::LOCALHOST.into()).await;
        let ingress = ingress(&sandbox, &global, &zones[1], "ingress-2").await;
        gateway.listening(front.port()).await.unwrap();
        Self {
            sandbox,
            global,
            zones,
            front,
            _gateway: gateway,
            ingress,
        }
    }

    /// An instance of `api` whose answers say this name.
    async fn member(&self, zone: usize, name: &str) -> Member {
        let echo = self
            .sandbox
            .echo(&format!("echo-{name}"), name)
            .await
            .unwrap();
        let back = somewhere();
        let networking = json!({
            "address": "127.0.0.1",
            "inbound": [{
                "port": back.port(), "servicePort": echo.address.port(),
                "tags": { "kuma.io/service": "api", "kuma.io/protocol": "http" },
            }],
        });
        let zone = &self.zones[zone];
        let proxy = self.sandbox.proxy(zone, "default", name, &networking);
        let mut proxy = proxy.await.unwrap();
        proxy.listening(back.port()).await.unwrap();
        Member {
            proxy,
            back,
            _echo: echo,
        }
    }

    /// Waits until the gateway's requests are answered so; how long that takes.
    async fn answered_soon(&self, expected: &str) -> Duration {
        let start = Instant::now();
        until(&format!("answers of {expected}"), SOON, async || {
            (ask(self.front, "/api").await.as_deref() == Some(expected)).then_some(())
        })
        .await
        .unwrap();
        start.elapsed()
    }

    /// What a ZoneIngress says on a control plane.
    async fn ingress_as_seen_by(&self, http: &portolan_sandbox::Http) -> Option<Value> {
        let all = http.get("/zoneingresses").await.ok()?;
        all["items"].as_array()?.first().cloned()
    }
}

async fn ingress(sandbox: &Sandbox, global: &Global, zone: &Zone, name: &str) -> Gateway {
    let token = global.token_for(&zone.name, "ingress").await.unwrap();
    let address = somewhere();
    // The zone needs the public key of tokens first, which comes from the global.
    let public = "/global-secrets/zone-token-signing-public-key-1";
    until("the public key of zone tokens", LIMIT, async || {
        zone.http.get(public).await.ok()
    })
    .await
    .unwrap();
    let mut ingress = sandbox.ingress(zone, name, address, &token).unwrap();
    ingress.listening(address.port()).await.unwrap();
    ingress
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_another_zone_is_reached_through_its_ingress() {
    let site = Site::start().await;
    answered(site.front, "/api", "503").await;
    let far = site.member(1, "far").await;
    answered(site.front, "/api", "far").await;

    // Everybody knows what the zone offers, under the name that its own zone gives it for others.
    let tags = json!({
        "kuma.io/service": "api", "kuma.io/protocol": "http", "kuma.io/zone": "zone-2",
    });
    let offered = json!([{ "mesh": "default", "instances": 1, "tags": tags }]);
    for http in [&site.global.http, &site.zones[0].http, &site.zones[1].http] {
        let seen = site.ingress_as_seen_by(http).await.unwrap();
        assert_eq!(seen["availableServices"], offered, "{seen}");
        assert_eq!(seen["zone"], "zone-2");
    }
    let here = &site.zones[0].http;
    let name = |seen: Value| seen["name"].as_str().unwrap().to_owned();
    let own = name(site.ingress_as_seen_by(&site.zones[1].http).await.unwrap());
    let elsewhere = name(site.ingress_as_seen_by(here).await.unwrap());
    assert_eq!(own, "ingress-2");
    assert!(elsewhere.starts_with("ingress-2-"), "{elsewhere}");
    // The older and the newer path, with what is known of the proxy.
    for path in ["/zoneingresses+insights", "/zone-ingresses/_overview"] {
        let overview = site.global.http.get(path).await.unwrap();
        let insight = &overview["items"][0]["zoneIngressInsight"];
        assert!(
            insight["subscriptions"][0]["connectTime"].is_string(),
            "{overview}"
        );
    }
    // TLS passes the ingress as it is: only the member proves who it is.
    let dump = site.ingress.admin("/config_dump").await.unwrap();
    assert!(dump.contains("api{mesh=default}"), "{dump}");
    assert!(!dump.contains("identity_cert"), "{dump}");
    let explained = format!("{MESH}/meshgateways/edge/_explain?path=/api&host={HOST}");
    let explained = site.global.http.get(&explained).await.unwrap();
    let other = &explained["answers"][0]["route"]["backends"][0]["otherZones"][0];
    assert_eq!(other["zone"], "zone-2", "{explained}");
    assert_eq!(other["waits"], true, "{explained}");

    // Without mutual TLS nobody is let in.
    let mut open = mesh(true);
    open.as_object_mut().unwrap().remove("mtls");
    site.global.http.put(MESH, &open).await.unwrap();
    answered(site.front, "/api", "503").await;
    site.global.http.put(MESH, &mesh(true)).await.unwrap();
    answered(site.front, "/api", "far").await;
    drop(far);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_to_another_zone_while_the_own_has_none() {
    let site = Site::start().await;
    let far = site.member(1, "far").await;
    answered(site.front, "/api", "far").await;
    let mut near = site.member(0, "near").await;
    answered(site.front, "/api", "near").await;
    let load = Load::start(site.front);
    load.answers(200).await;

    // Killed with its Envoy: nobody says goodbye.
    let pid = near.proxy.process.pid().unwrap();
    near.proxy.process.kill().await.unwrap();
    let away = site.answered_soon("far").await;
    say(&format!(
        "kill -9 of {pid}: the other zone answers after {away:?}"
    ));
    load.answers(200).await;

    let near = site.member(0, "near").await;
    let back = site.answered_soon("near").await;
    say(&format!("back in the own zone {back:?} after it is there"));
    load.answers(200).await;

    // Deleted while it serves, as a healthy instance that is taken out.
    let at = "/meshes/default/dataplanes/near";
    site.zones[0].http.delete(at).await.unwrap();
    let deleted = site.answered_soon("far").await;
    say(&format!(
        "deleted: the other zone answers after {deleted:?}"
    ));
    load.answers(200).await;
    load.stop_without_failures().await;
    // It has no Dataplane, so nothing to listen for once all have turned away.
    until("the listener to close", LIMIT, async || {
        TcpStream::connect(near.back).await.is_err().then_some(())
    })
    .await
    .unwrap();
    drop((near, far));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_that_is_disabled_is_gone_for_the_others() {
    let site = Site::start().await;
    let far = site.member(1, "far").await;
    answered(site.front, "/api", "far").await;
    let zone = |enabled: bool| json!({ "type": "Zone", "name": "zone-2", "enabled": enabled });
    site.global
        .http
        .put("/zones/zone-2", &zone(false))
        .await
        .unwrap();
    site.answered_soon("503").await;
    assert_eq!(site.ingress_as_seen_by(&site.zones[0].http).await, None);
    site.global
        .http
        .put("/zones/zone-2", &zone(true))
        .await
        .unwrap();
    site.answered_soon("far").await;

    // Without its ingress a zone offers nothing, though its members are there.
    let mut ingress = site.ingress;
    ingress.process.kill().await.unwrap();
    until("nothing offered", SOON, async || {
        let all = site.zones[0].http.get("/zoneingresses").await.ok()?;
        let services = &all["items"][0]["availableServices"];
        (services.as_array().is_none_or(Vec::is_empty)).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(ask(site.front, "/api").await.as_deref(), Some("503"));
    drop(far);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_an_ingress_without_a_token_for_one() {
    let site = Site::start().await;
    for (zone, scope) in [("zone-2", "cp"), ("zone-1", "ingress")] {
        let token = site.global.token_for(zone, scope).await.unwrap();
        let name = format!("false-{zone}-{scope}");
        let ingress = site
            .sandbox
            .ingress(&site.zones[1], &name, somewhere(), &token);
        let mut ingress = ingress.unwrap();
        let refused = ingress.process.ready("refused", async || None::<()>).await;
        let told = refused.unwrap_err().to_string();
        assert!(told.contains("the zone refused the bootstrap"), "{told}");
    }
}
