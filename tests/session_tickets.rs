//! TLS sessions go on at any instance of a gateway, for as long as the keys of their tickets are kept.

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use portolan_sandbox::{Gateway, GatewayOptions, Sandbox, Zone, ZoneOptions, free_port, until};
use rustls::{
    SupportedProtocolVersion,
    pki_types::CertificateDer,
    version::{TLS12, TLS13},
};
use serde_json::json;
use support::{HOST, LIMIT, global, load::say, route_url, sandbox, tls::Client};

/// How long one key encrypts.
const INTERVAL: Duration = Duration::from_secs(4);
/// How many sessions are kept from the beginning, and how often one is tried.
const STOCK: u32 = 60;
const TRY: Duration = Duration::from_millis(200);

/// A gateway on a port of its own for [`HOST`], with the certificate in the Secret `shop`.
fn mesh_gateway(name: &str, port: u16) -> serde_json::Value {
    json!({
        "type": "MeshGateway",
        "mesh": "default",
        "name": name,
        "selectors": [{ "match": { "kuma.io/service": name } }],
        "conf": { "listeners": [{
            "port": port, "protocol": "HTTPS", "hostname": HOST,
            "tls": { "mode": "TERMINATE", "certificates": [{ "secret": "shop" }] },
        }] },
    })
}

async fn instance(
    sandbox: &Sandbox,
    zone: &Zone,
    service: &str,
    number: u8,
    address: IpAddr,
) -> Gateway {
    let options = GatewayOptions {
        name: format!("{service}-{number}"),
        mesh: "default".to_owned(),
        address,
        service: service.to_owned(),
    };
    sandbox.gateway(zone, &options).await.unwrap()
}

/// How many handshakes an instance has had.
async fn handshakes(gateway: &Gateway) -> u64 {
    let stats = gateway.admin("/stats?filter=ssl.handshake$").await.unwrap();
    let counts = stats.lines().filter_map(|line| line.split_once(": "));
    let counts = counts.filter(|(name, _)| name.starts_with("listener."));
    counts.map(|(_, count)| count.parse::<u64>().unwrap()).sum()
}

/// Makes handshakes, each with what the last ones got, until sessions of the beginning are resumed no more.
fn resumes_until_keys_are_gone(
    certificate: &CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
    listener: SocketAddr,
    other: SocketAddr,
) -> Duration {
    let client = || Client::new(certificate.clone(), version);
    let (first, client, foreign) = (client(), client(), client());
    for client in [&first, &client, &foreign] {
        assert!(!client.resumes(listener).unwrap());
    }
    let start = Instant::now();
    for _ in 0..STOCK {
        assert!(first.resumes(listener).unwrap());
    }
    first.freeze();
    assert!(!foreign.resumes(other).unwrap(), "another gateway's");

    let mut handshakes = 0_u32;
    let mut tries = 0;
    loop {
        assert!(client.resumes(listener).unwrap(), "after {handshakes}");
        handshakes += 1;
        if start.elapsed() >= TRY * tries {
            tries += 1;
            assert!(tries < STOCK, "a session that never ends");
            if !first.resumes(listener).unwrap() {
                break;
            }
        }
    }
    let ended = start.elapsed();
    assert!(client.resumes(listener).unwrap());
    say(&format!(
        "{version:?}: {handshakes} handshakes resumed, and those of the beginning for {ended:?}"
    ));
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_resumed_at_every_instance_and_across_rotations() {
    let sandbox = sandbox();
    let global = global(&sandbox).await;
    let options = ZoneOptions {
        ticket_key_interval: format!("{}s", INTERVAL.as_secs()),
        ..ZoneOptions::default()
    };
    let zone = sandbox.zone("zone-1", &[&global], &options).await.unwrap();
    global.zones_online(&["zone-1"]).await.unwrap();
    let echo = sandbox.echo("api-1", "api").await.unwrap();
    zone.register("default", "api-1", "api", echo.address)
        .await
        .unwrap();
    let certificate = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
    let data = certificate.cert.pem() + &certificate.signing_key.serialize_pem();
    let secret = json!({
        "type": "Secret", "mesh": "default", "name": "shop", "data": STANDARD.encode(data),
    });
    let put = async |path: &str, body| global.http.put(path, &body).await.unwrap();
    put("/meshes/default/secrets/shop", secret).await;
    let ports = [free_port().unwrap(), free_port().unwrap()];
    let address = portolan_sandbox::loopback_with_free_port(120, ports[0]).unwrap();
    for (gateway, port) in ["edge", "other"].into_iter().zip(ports) {
        let path = format!("/meshes/default/meshgateways/{gateway}");
        put(&path, mesh_gateway(gateway, port)).await;
        let mut route = support::route(gateway, "/api", "api");
        route["selectors"][0]["match"]["kuma.io/service"] = gateway.into();
        put(&route_url(gateway), route).await;
    }

    let mut instances = [
        instance(&sandbox, &zone, "edge", 1, address).await,
        instance(&sandbox, &zone, "edge", 2, address).await,
        instance(&sandbox, &zone, "other", 1, address).await,
    ];
    for (instance, port) in instances.iter_mut().zip([ports[0], ports[0], ports[1]]) {
        instance.listening(port).await.unwrap();
    }
    let [edge, other] = ports.map(|port| SocketAddr::new(address, port));
    let der = certificate.cert.der().clone();
    until("answers over TLS", LIMIT, async || {
        let client = || Client::new(der.clone(), &TLS13);
        let answers = [client().resumes(edge), client().resumes(other)];
        answers.iter().all(Result::is_ok).then_some(())
    })
    .await
    .unwrap();

    let threads = [&TLS12, &TLS13].map(|version| {
        let der = der.clone();
        tokio::task::spawn_blocking(move || resumes_until_keys_are_gone(&der, version, edge, other))
    });
    for thread in threads {
        let ended = thread.await.unwrap();
        // It began in some interval; its key encrypts in that one, and still decrypts in the next.
        let most = INTERVAL * 2 + Duration::from_secs(2);
        assert!(ended > INTERVAL && ended < most, "{ended:?}");
    }
    let taken = [
        handshakes(&instances[0]).await,
        handshakes(&instances[1]).await,
    ];
    say(&format!("handshakes of both instances: {taken:?}"));
    assert!(taken.iter().all(|count| *count > 10), "{taken:?}");

    // Nobody has the keys of another gateway.
    let named =
        |dump: &str, gateway: &str| dump.contains(&format!("session_tickets:default:{gateway}"));
    for (instance, own, foreign) in [
        (&instances[1], "edge", "other"),
        (&instances[2], "other", "edge"),
    ] {
        let dump = instance
            .admin("/config_dump?resource=dynamic_active_secrets")
            .await;
        let dump = dump.unwrap();
        assert!(named(&dump, own) && !named(&dump, foreign), "{dump}");
    }
}
