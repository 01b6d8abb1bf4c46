//! Members of a mesh with mutual TLS: who gets in, who does not, and that certificates change unnoticed.

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Output, Stdio},
};

use portolan_identity::mesh;
use portolan_sandbox::{Echo, Gateway, GatewayOptions, Global, Sandbox, Zone, free_port, until};
use serde_json::{Value, json};
use support::{
    LIMIT, answered, ask, gateway, global, load::Load, mesh_gateway, route, route_url, sandbox,
    zone,
};

const MESH: &str = "/meshes/default";
const PERMISSION: &str = "/meshes/default/traffic-permissions/api";
const MEMBER: &str = "api-1";
const GATEWAY: &str = "edge-1";

/// A mesh with mutual TLS; of each certificate's life so many seconds.
fn mesh(enabled: &str, backends: &[&str], mode: &str, seconds: u32) -> Value {
    let backend = |name: &&str| {
        json!({
            "name": name, "type": "builtin", "mode": mode,
            "dpCert": { "rotation": { "expiration": format!("{seconds}s") } },
        })
    };
    let backends: Vec<_> = backends.iter().map(backend).collect();
    json!({
        "type": "Mesh", "name": "default",
        "mtls": { "enabledBackend": enabled, "backends": backends },
    })
}

fn permission(source: &str) -> Value {
    json!({
        "type": "TrafficPermission", "mesh": "default", "name": "api",
        "sources": [{ "match": { "kuma.io/service": source } }],
        "destinations": [{ "match": { "kuma.io/service": "api" } }],
    })
}

/// A gateway before a member, whose application is an echo.
struct Site {
    sandbox: Sandbox,
    global: Global,
    zone: Zone,
    gateway: Gateway,
    member: Gateway,
    /// Where clients of the gateway connect.
    front: SocketAddr,
    /// Where others reach the member.
    back: SocketAddr,
    _echo: Echo,
}

impl Site {
    async fn start(mesh: &Value) -> Self {
        let sandbox = sandbox();
        let global = global(&sandbox).await;
        global.http.put(MESH, mesh).await.unwrap();
        global
            .http
            .put(PERMISSION, &permission("edge-gateway"))
            .await
            .unwrap();
        let zone = zone(&sandbox, "zone-1", &global).await;
        let echo = sandbox.echo("api", "api").await.unwrap();
        let [front, back] =
            [(); 2].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port().unwrap())));
        let networking = json!({
            "address": "127.0.0.1",
            "inbound": [{
                "port": back.port(), "servicePort": echo.address.port(),
                "tags": { "kuma.io/service": "api", "kuma.io/protocol": "http" },
            }],
        });
        let mut member = sandbox
            .proxy(&zone, "default", MEMBER, &networking)
            .await
            .unwrap();
        let edge = "/meshes/default/meshgateways/edge";
        global
            .http
            .put(edge, &mesh_gateway(front.port()))
            .await
            .unwrap();
        global
            .http
            .put(&route_url("api"), &route("api", "/api", "api"))
            .await
            .unwrap();
        let mut gateway = gateway(&sandbox, &zone, GATEWAY, Ipv4Addr::LOCALHOST.into()).await;
        member.listening(back.port()).await.unwrap();
        gateway.listening(front.port()).await.unwrap();
        answered(front, "/api", "api").await;
        Self {
            sandbox,
            global,
            zone,
            gateway,
            member,
            front,
            back,
            _echo: echo,
        }
    }

    /// What the zone says of a proxy's certificate.
    async fn mtls(&self, name: &str) -> Option<Value> {
        let path = format!("/meshes/default/dataplanes/{name}/_overview");
        let overview = self.zone.http.get(&path).await.ok()?;
        Some(overview["dataplaneInsight"]["mTLS"].clone())
    }

    /// Waits until both proxies are so.
    async fn both(&self, what: &str, is_so: impl Fn(&Value) -> bool) {
        until(what, LIMIT, async || {
            let (member, gateway) = (self.mtls(MEMBER).await?, self.mtls(GATEWAY).await?);
            (is_so(&member) && is_so(&gateway)).then_some(())
        })
        .await
        .unwrap();
    }

    /// Waits until both proxies serve all that was written.
    async fn served(&self) {
        let revision = self.global.http.get("/_status").await.unwrap()["revision"].as_u64();
        until("both proxies serving all", LIMIT, async || {
            let status = self.global.http.get("/_status").await.ok()?;
            let instances = status["zones"][0]["instances"].as_array()?.clone();
            let serves = |one: &Value| one["servedRevision"].as_u64() >= revision;
            (instances.len() == 2 && instances.iter().all(serves)).then_some(())
        })
        .await
        .unwrap();
    }

    /// What the global says becomes of a request.
    async fn explained(&self) -> String {
        let path = format!(
            "/meshes/default/meshgateways/edge/_explain?path=/api&host={}",
            support::HOST
        );
        let explanation = self.global.http.get(&path).await.unwrap();
        let outcome = &explanation["answers"][0]["outcome"];
        assert_eq!(outcome["status"], 503, "{explanation}");
        outcome["what"].as_str().unwrap().to_owned()
    }

    /// What a client with `openssl s_client` and these arguments gets from the member.
    async fn by_openssl(&self, args: &[&str]) -> String {
        let mut client = tokio::process::Command::new("openssl")
            .args([
                "s_client",
                "-quiet",
                "-alpn",
                "kuma",
                "-connect",
                &self.back.to_string(),
            ])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let request = b"GET /api HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n";
        let mut input = client.stdin.take().unwrap();
        // It may have been refused by now.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut input, request).await;
        let Output { stdout, .. } = client.wait_with_output().await.unwrap();
        drop(input);
        String::from_utf8_lossy(&stdout).into_owned()
    }
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// Certificate and key of `edge-gateway`, signed by an authority.
fn signed_by(cert: &str, key: &str, folder: &Path) -> [String; 2] {
    let now = jiff::Timestamp::now();
    let authority = mesh::MeshAuthority::from_pem(cert, key, now).unwrap();
    let tags = [(
        "kuma.io/service".to_owned(),
        ["edge-gateway".to_owned()].into(),
    )];
    let hour = std::time::Duration::from_secs(3600);
    let issued = authority.issue("default", &tags.into(), hour, now).unwrap();
    [
        write(folder, "cert.pem", &issued.cert_pem),
        write(folder, "key.pem", issued.key_pem.expose()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_member_takes_permitted_members_and_nobody_else() {
    let site = Site::start(&mesh("ca-1", &["ca-1"], "STRICT", 3600)).await;
    // The application learns who called.
    let answer = reqwest::Client::new()
        .get(format!("http://{}/api", site.front))
        .header("host", support::HOST)
        .send();
    let told: Value = answer.await.unwrap().json().await.unwrap();
    let caller = told["headers"]["x-forwarded-client-cert"]
        .as_str()
        .unwrap_or_default();
    assert!(
        caller.contains("URI=spiffe://default/edge-gateway"),
        "{told}"
    );

    // A stranger: without TLS, without a certificate, with one of somebody else. Not even where everybody
    // in the mesh is permitted.
    let folder = tempfile::tempdir().unwrap();
    let day = std::time::Duration::from_secs(86_400);
    let (cert, key) = mesh::create("default", "ca-1", 2048, day, jiff::Timestamp::now()).unwrap();
    let [cert, key] = signed_by(&cert, key.expose(), folder.path());
    for source in ["edge-gateway", "*"] {
        let permission = permission(source);
        site.global.http.put(PERMISSION, &permission).await.unwrap();
        site.served().await;
        assert_eq!(ask(site.back, "/api").await, None);
        assert_eq!(site.by_openssl(&[]).await, "");
        assert_eq!(site.by_openssl(&["-cert", &cert, "-key", &key]).await, "");
    }
    // The same client with a certificate of the mesh's authority gets in: it is for the right reason that
    // the others did not.
    let secret = async |part: &str| {
        let path = format!("/meshes/default/secrets/default.ca-builtin-{part}-ca-1");
        let secret = site.global.http.get(&path).await.unwrap();
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let text = STANDARD.decode(secret["data"].as_str().unwrap()).unwrap();
        String::from_utf8(text).unwrap()
    };
    let [cert, key] = signed_by(&secret("cert").await, &secret("key").await, folder.path());
    let answer = site.by_openssl(&["-cert", &cert, "-key", &key]).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    // A member that no permission names.
    site.global
        .http
        .put(PERMISSION, &permission("others"))
        .await
        .unwrap();
    answered(site.front, "/api", "503").await;
    assert_eq!(site.by_openssl(&["-cert", &cert, "-key", &key]).await, "");
    let explained = site.explained().await;
    let why = "no backend lets the gateway in: denied by TrafficPermission api";
    assert!(explained.contains(why), "{explained}");
    site.global.http.delete(PERMISSION).await.unwrap();
    site.served().await;
    assert_eq!(ask(site.front, "/api").await.as_deref(), Some("503"));
    let explained = site.explained().await;
    assert!(
        explained.contains("no TrafficPermission is for it"),
        "{explained}"
    );
    site.global
        .http
        .put(PERMISSION, &permission("edge-gateway"))
        .await
        .unwrap();
    answered(site.front, "/api", "api").await;
    assert_no_keys(&site).await;
}

/// Private keys are in no log, dump, insight or answer.
async fn assert_no_keys(site: &Site) {
    let mut shown = vec![];
    for entry in fs::read_dir(site.sandbox.folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "log") {
            shown.push((
                path.display().to_string(),
                fs::read_to_string(&path).unwrap(),
            ));
        }
    }
    assert!(shown.len() >= 5, "logs of all processes");
    for proxy in [&site.gateway, &site.member] {
        let dump = proxy.admin("/config_dump?include_eds").await.unwrap();
        assert!(dump.contains("identity_cert:secret:default"), "{dump}");
        shown.push((proxy.name.clone(), dump));
    }
    let paths = [
        "/meshes/default/dataplanes/_overview",
        "/meshes/default/dataplane-insights",
        "/meshes",
        "/config",
        "/_status",
    ];
    for http in [&site.global.http, &site.zone.http] {
        for path in paths {
            let answer = http
                .get(path)
                .await
                .map_or_else(|error| error.to_string(), |json| json.to_string());
            shown.push((format!("{}{path}", http.base()), answer));
        }
    }
    // "PRIVATE KEY" in base64, at each of its three places.
    let words = [
        "PRIVATE KEY",
        "UFJJVkFURSBLRV",
        "BSSVZBVEUgS0VZ",
        "QUklWQVRFIEtFW",
    ];
    for (place, text) in &shown {
        for word in words {
            assert!(!text.contains(word), "a private key in {place}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permissive_member_takes_others_too() {
    let site = Site::start(&mesh("ca-1", &["ca-1"], "PERMISSIVE", 3600)).await;
    assert_eq!(ask(site.back, "/api").await.as_deref(), Some("api"));
    // Whoever speaks the mesh's TLS has to be permitted all the same.
    assert_eq!(site.by_openssl(&[]).await, "");
    site.global
        .http
        .put(PERMISSION, &permission("others"))
        .await
        .unwrap();
    answered(site.front, "/api", "503").await;
    // Strict from now on.
    site.global
        .http
        .put(PERMISSION, &permission("edge-gateway"))
        .await
        .unwrap();
    site.global
        .http
        .put(MESH, &mesh("ca-1", &["ca-1"], "STRICT", 3600))
        .await
        .unwrap();
    until("a stranger outside", LIMIT, async || {
        ask(site.back, "/api").await.is_none().then_some(())
    })
    .await
    .unwrap();
    answered(site.front, "/api", "api").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_and_authorities_change_under_requests() {
    const LIFE: u32 = 5;
    let site = Site::start(&mesh("ca-1", &["ca-1"], "STRICT", LIFE)).await;
    let load = Load::start(site.front);
    site.both("three certificates each", |mtls| {
        mtls["certificateRegenerations"].as_u64() >= Some(3) && mtls["issuedBackend"] == "ca-1"
    })
    .await;
    // The next authority: trusted, then signing, then alone.
    let both = ["ca-1", "ca-2"];
    site.global
        .http
        .put(MESH, &mesh("ca-1", &both, "STRICT", LIFE))
        .await
        .unwrap();
    site.both("trust in both", |mtls| {
        mtls["supportedBackends"] == json!(both)
    })
    .await;
    site.served().await;
    site.global
        .http
        .put(MESH, &mesh("ca-2", &both, "STRICT", LIFE))
        .await
        .unwrap();
    site.both("certificates of the next", |mtls| {
        mtls["issuedBackend"] == "ca-2"
    })
    .await;
    site.served().await;
    site.global
        .http
        .put(MESH, &mesh("ca-2", &["ca-2"], "STRICT", LIFE))
        .await
        .unwrap();
    site.both("trust in the next alone", |mtls| {
        mtls["supportedBackends"] == json!(["ca-2"])
    })
    .await;
    load.answers(100).await;
    load.stop_without_failures().await;
}

/// Who may write Dataplanes cannot let a running proxy pass for another service.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_whose_dataplane_changes_shows_its_token_again() {
    let site = Site::start(&mesh("ca-1", &["ca-1"], "STRICT", 3600)).await;
    let url = format!("/meshes/default/dataplanes/{MEMBER}");
    let service = |dataplane: &Value| {
        let tags = &dataplane["networking"]["inbound"][0]["tags"];
        tags["kuma.io/service"].as_str().map(str::to_owned)
    };
    let mut dataplane = site.zone.http.get(&url).await.unwrap();
    dataplane["networking"]["inbound"][0]["tags"]["kuma.io/service"] = json!("bank");
    site.zone.http.put(&url, &dataplane).await.unwrap();
    // It comes back as what it is: its own Dataplane is in its bootstrap.
    until("the proxy's own Dataplane", LIMIT, async || {
        let now = site.zone.http.get(&url).await.ok()?;
        (service(&now).as_deref() == Some("api")).then_some(())
    })
    .await
    .unwrap();
    answered(site.front, "/api", "api").await;
    let shown = site.member.admin("/certs").await.unwrap();
    assert!(shown.contains("spiffe://default/api"), "{shown}");
    assert!(!shown.contains("spiffe://default/bank"), "{shown}");
}

/// A second mesh, whose gateway is for members of all.
async fn offer_to_all(site: &Site, port: u16) -> Gateway {
    let put = async |path: &str, resource: Value| {
        site.global.http.put(path, &resource).await.unwrap();
    };
    let mut other = mesh("ca-1", &["ca-1"], "STRICT", 3600);
    other["name"] = "other".into();
    put("/meshes/other", other).await;
    let selectors = json!([{ "match": { "kuma.io/service": "door" } }]);
    let gateway = json!({
        "type": "MeshGateway", "mesh": "other", "name": "door", "selectors": selectors,
        "conf": { "listeners": [{ "port": port, "protocol": "HTTP", "crossMesh": true }] },
    });
    put("/meshes/other/meshgateways/door", gateway).await;
    let everything = json!([{ "path": { "match": "PREFIX", "value": "/" } }]);
    let rules = json!([{
        "matches": everything, "backends": [{ "destination": { "kuma.io/service": "vault" } }],
    }]);
    let route = json!({
        "type": "MeshGatewayRoute", "mesh": "other", "name": "vault", "selectors": selectors,
        "conf": { "http": { "rules": rules } },
    });
    put("/meshes/other/meshgatewayroutes/vault", route).await;
    let permission = json!({
        "type": "TrafficPermission", "mesh": "other", "name": "vault",
        "sources": selectors.clone(),
        "destinations": [{ "match": { "kuma.io/service": "vault" } }],
    });
    put("/meshes/other/traffic-permissions/vault", permission).await;
    until("the other mesh in the zone", LIMIT, async || {
        let routes = site.zone.http.get("/meshes/other/meshgatewayroutes").await;
        (routes.ok()?["total"] == 1).then_some(())
    })
    .await
    .unwrap();
    let options = GatewayOptions {
        name: "door-1".to_owned(),
        mesh: "other".to_owned(),
        address: Ipv4Addr::LOCALHOST.into(),
        service: "door".to_owned(),
    };
    site.sandbox.gateway(&site.zone, &options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_one_mesh_reach_the_gateway_of_another() {
    let site = Site::start(&mesh("ca-1", &["ca-1"], "STRICT", 3600)).await;
    let [door, back, outbound] = [(); 3].map(|()| free_port().unwrap());
    let mut gateway = offer_to_all(&site, door).await;
    let echo = site.sandbox.echo("vault", "vault").await.unwrap();
    let inbound = json!({
        "address": "127.0.0.1",
        "inbound": [{
            "port": back, "servicePort": echo.address.port(),
            "tags": { "kuma.io/service": "vault", "kuma.io/protocol": "http" },
        }],
    });
    let zone = &site.zone;
    let vault = site.sandbox.proxy(zone, "other", "vault-1", &inbound);
    let _vault = vault.await.unwrap();
    let calls = json!({
        "address": "127.0.0.1",
        "inbound": [{ "port": free_port().unwrap(), "tags": { "kuma.io/service": "caller" } }],
        "outbound": [{
            "port": outbound, "tags": { "kuma.io/service": "door", "kuma.io/mesh": "other" },
        }],
    });
    let caller = site.sandbox.proxy(zone, "default", "caller-1", &calls);
    let _caller = caller.await.unwrap();
    gateway.listening(door).await.unwrap();

    let out = SocketAddr::from((Ipv4Addr::LOCALHOST, outbound));
    answered(out, "/", "vault").await;
    // Whoever is no member of any mesh is not let in.
    let stranger = ask(SocketAddr::from((Ipv4Addr::LOCALHOST, door)), "/").await;
    assert_eq!(stranger, None);
}
