//! Gateways that are scaled over pools: no request fails on the way up and down, and a killed pool's share is
//! taken over; all of it also without the global.

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use portolan_sandbox::{loopback_with_free_port, until};
use serde_json::Value;
use support::{
    LIMIT, answered,
    load::{self, Load},
    site::Site,
};

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_from_one_to_five_instances_and_back() {
    let site = Site::start(1).await;
    let address = loopback_with_free_port(60, site.port).unwrap();
    let _pool = site.pool("host-1", address).await;
    site.scaled(1).await;
    let listener = SocketAddr::new(address, site.port);
    answered(listener, "/api", "api").await;

    let load = Load::start(listener);
    load.answers(200).await;
    site.scale("5").await;
    assert_eq!(site.spread(&["host-1"]).await, [5]);
    load.answers(500).await;
    site.scale("1").await;
    load.answers(200).await;
    site.scale("5").await;
    site.scale("1").await;
    load.answers(200).await;
    // Another limit needs another Envoy: it takes over before the old one goes.
    assert_eq!(site.instances().await, ["edge-gateway-1.host-1"]);
    site.limit_memory("256Mi").await;
    site.becomes(&["edge-gateway-2.host-1"]).await;
    site.scaled(1).await;
    load.answers(200).await;
    load.stop_without_failures().await;
    let bootstrap = site
        .sandbox
        .folder()
        .join("host-1/edge-gateway-2.host-1/envoy.yaml");
    let bootstrap = std::fs::read_to_string(bootstrap).unwrap();
    assert!(bootstrap.contains(&(256 << 20).to_string()), "{bootstrap}");

    let shown = site.run(&["get", "meshgatewayinstances"]).await;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let rows: Vec<Vec<&str>> = shown
        .lines()
        .map(|it| it.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows[0][..6],
        ["MESH", "NAME", "ZONE", "WANTED", "RUNNING", "READY"]
    );
    assert_eq!(
        rows[1][..6],
        ["default", "edge-gateway", "zone-1", "1", "1", "1"]
    );
    let json = site
        .run(&["get", "mgwi", "edge-gateway", "-o", "json"])
        .await;
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["status"]["zones"]["zone-1"]["ready"], 1);
    assert_eq!(json["zoneReplicas"]["zone-1"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_pool_takes_over_the_share_of_one_that_is_killed() {
    let site = Site::start(4).await;
    let [one, two] = [
        loopback_with_free_port(70, site.port).unwrap(),
        loopback_with_free_port(80, site.port).unwrap(),
    ];
    let mut first = site.pool("host-1", one).await;
    let _second = site.pool("host-2", two).await;
    site.scaled(4).await;
    site.becomes_spread(&["host-1", "host-2"], &[2, 2]).await;
    answered(SocketAddr::new(one, site.port), "/api", "api").await;
    answered(SocketAddr::new(two, site.port), "/api", "api").await;

    let killed = Instant::now();
    first.process.kill().await.unwrap();
    let log = site.sandbox.folder().join("host-1.log");
    until("the end of the killed pool's Envoys", LIMIT, async || {
        let gone = tokio::net::TcpStream::connect((one, site.port))
            .await
            .is_err();
        gone.then_some(())
    })
    .await
    .unwrap_or_else(|error| panic!("{error}; see {}", log.display()));
    let names = [1, 2, 3, 4].map(|number| format!("edge-gateway-{number}.host-2"));
    site.becomes(&names.each_ref().map(String::as_str)).await;
    site.scaled(4).await;
    load::say(&format!("taken over {:?} after kill -9", killed.elapsed()));
    site.becomes_spread(&["host-1", "host-2"], &[0, 4]).await;
    answered(SocketAddr::new(two, site.port), "/api", "api").await;

    // One that comes back gets its share, and nothing runs twice.
    let _first = site.pool("host-1", one).await;
    site.becomes_spread(&["host-1", "host-2"], &[2, 2]).await;
    site.scaled(4).await;
    answered(SocketAddr::new(one, site.port), "/api", "api").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_stops_hands_over_and_drains() {
    let site = Site::start(2).await;
    let address = loopback_with_free_port(90, site.port).unwrap();
    let mut first = site.pool("host-1", address).await;
    site.scaled(2).await;
    let listener = SocketAddr::new(address, site.port);
    answered(listener, "/api", "api").await;
    // On the same host, so that both share the port.
    let _second = site.pool("host-2", address).await;
    site.becomes_spread(&["host-1", "host-2"], &[1, 1]).await;
    site.scaled(2).await;

    let load = Load::start(listener);
    load.answers(200).await;
    first.process.stop().await.unwrap();
    site.scaled(2).await;
    site.becomes_spread(&["host-1", "host-2"], &[0, 2]).await;
    load.answers(200).await;
    load.stop_without_failures().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_without_its_global_scales_by_what_it_knows() {
    let mut site = Site::start(3).await;
    let [one, two] = [
        loopback_with_free_port(100, site.port).unwrap(),
        loopback_with_free_port(110, site.port).unwrap(),
    ];
    let mut first = site.pool("host-1", one).await;
    site.scaled(3).await;
    let listener = SocketAddr::new(one, site.port);
    answered(listener, "/api", "api").await;
    let load = Load::start(listener);
    load.answers(50).await;

    site.global.process.kill().await.unwrap();
    site.zone.process.kill().await.unwrap();
    load.answers(100).await;
    site.zone.start().await.unwrap();
    load.answers(100).await;
    load.stop_without_failures().await;
    // The zone's own disk says three, and a pool that comes now gets its part.
    let _second = site.pool("host-2", two).await;
    site.becomes_spread(&["host-1", "host-2"], &[2, 1]).await;
    answered(SocketAddr::new(two, site.port), "/api", "api").await;
    first.process.kill().await.unwrap();
    site.becomes_spread(&["host-1", "host-2"], &[0, 3]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_said() {
    let site = Site::start(1).await;
    let refused = site.run(&["scale", "nobody", "--replicas", "2"]).await;
    assert_eq!(refused.status.code(), Some(3));
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("type: MeshGatewayInstance"), "{told}");

    let scale = [
        "scale",
        "edge-gateway",
        "--zone",
        "zone-1",
        "--replicas",
        "2",
    ];
    let waited = site
        .run(&[&scale[..], &["--wait", "--timeout", "1s"]].concat())
        .await;
    assert_eq!(waited.status.code(), Some(4));
    let told = String::from_utf8_lossy(&waited.stderr).into_owned();
    assert!(told.contains("no pool is connected"), "{told}");

    // A token for one Dataplane is none for a pool.
    let token = site.zone.token("default", "gw-1").await.unwrap();
    let pool = [
        "dp",
        "pool",
        "--insecure",
        "--name",
        "host-1",
        "--address",
        "127.0.0.1",
        "--zone",
        &site.zone.data_plane_url,
        "--token",
        &token,
    ];
    let ended = tokio::time::timeout(Duration::from_secs(30), site.run(&pool))
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(
        !ended.status.success() && told.contains("generate a token without a name"),
        "{told}"
    );
}
