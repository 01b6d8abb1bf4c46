//! A gateway instance that stops says so while its clients take their leave, and `portolan health` hears it.

#![allow(clippy::unwrap_used)]

mod support;

use std::net::{IpAddr, SocketAddr};

use portolan_sandbox::{
    Gateway, Http, Process, Sandbox, Signal, Zone, free_port, loopback_with_free_port, until,
};
use support::{LIMIT, answered, gateway, global, mesh_gateway, route, route_url, sandbox, zone};
use tokio::{net::TcpStream, process::Command};

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_instance_says_so_until_its_last_connection_has_ended() {
    let sandbox = sandbox();
    let global = global(&sandbox).await;
    let zone = zone(&sandbox, "zone-1", &global).await;
    let echo = sandbox.echo("api-1", "api").await.unwrap();
    zone.register("default", "api-1", "api", echo.address)
        .await
        .unwrap();
    let port = free_port().unwrap();
    let address = loopback_with_free_port(60, port).unwrap();
    let edge = "/meshes/default/meshgateways/edge";
    global.http.put(edge, &mesh_gateway(port)).await.unwrap();
    let api = route("api", "/api", "api");
    global.http.put(&route_url("api"), &api).await.unwrap();

    let mut gateway = patient_gateway(&sandbox, &zone, address).await;
    let listener = SocketAddr::new(address, port);
    answered(listener, "/api", "api").await;
    assert_eq!(
        health(&gateway, &["--wait", "60s"]).await,
        (true, "ready".into())
    );

    let client = TcpStream::connect(listener).await.unwrap();
    gateway.process.signal(Signal::TERM);
    until("not ready", LIMIT, async || {
        let heard = health(&gateway, &[]).await;
        (heard == (false, "portolan: not ready: it drains".into())).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(health(&gateway, &["--live"]).await, (true, "alive".into()));

    drop(client);
    until("its end", LIMIT, async || {
        let (_, heard) = health(&gateway, &["--live"]).await;
        heard.contains("nobody answers").then_some(())
    })
    .await
    .unwrap();
    gateway.process.stop().await.unwrap();
}

/// One that would rather wait than cut connections off.
async fn patient_gateway(sandbox: &Sandbox, zone: &Zone, address: IpAddr) -> Gateway {
    let mut hasty = gateway(sandbox, zone, "gw-1", address).await;
    hasty.process.stop().await.unwrap();
    let folder = sandbox.folder().join("gw-1");
    let file = |name: &str| folder.join(name).display().to_string();
    let diagnostics = format!("127.0.0.1:{}", free_port().unwrap());
    let args = [
        "dp",
        "run",
        "--zone",
        &zone.data_plane_url,
        "--ca-cert",
        &zone.ca().display().to_string(),
        "--dataplane-file",
        &file("dataplane.json"),
        "--token-file",
        &file("token"),
        "--diagnostics-bind",
        &diagnostics,
        "--drain-time",
        "300s",
    ];
    let log = sandbox.folder().join("gw-1.log");
    let process = Process::start("gw-1", sandbox.binary(), args, &[], log).unwrap();
    let diagnostics = Http::new(format!("http://{diagnostics}"));
    Gateway {
        process,
        diagnostics,
        ..hasty
    }
}

/// Whether `portolan health` is content, and what it says.
async fn health(gateway: &Gateway, args: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_portolan"))
        .arg("health")
        .arg(gateway.diagnostics.base())
        .args(args)
        .output()
        .await
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap().trim().to_owned();
    (output.status.success(), said)
}
