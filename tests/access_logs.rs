//! Access logs, from the global's REST API to where they are read: a file, and a collector that listens.

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use portolan_sandbox::{Global, free_port, loopback_with_free_port, until};
use serde_json::{Value, json};
use support::{HOST, LIMIT, answered, ask, gateway, global, route, route_url, sandbox, zone};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::{TcpListener, TcpStream},
    time::timeout,
};

const FORMAT: &str = "%KUMA_ZONE% %KUMA_SOURCE_SERVICE% %RESPONSE_CODE% [%REQ(:PATH)%]";

fn mesh(file: &Path, collector: SocketAddr) -> Value {
    json!({
        "type": "Mesh",
        "name": "default",
        "logging": { "backends": [
            { "name": "file", "type": "file", "format": FORMAT, "conf": { "path": file } },
            { "name": "collector", "type": "tcp", "format": FORMAT, "conf": { "address": collector } },
        ] },
    })
}

fn mesh_gateway(http: u16, tcp: u16) -> Value {
    json!({
        "type": "MeshGateway",
        "mesh": "default",
        "name": "edge",
        "selectors": [{ "match": { "kuma.io/service": "edge-gateway" } }],
        "conf": { "listeners": [
            { "port": http, "protocol": "HTTP", "hostname": HOST },
            { "port": tcp, "protocol": "TCP" },
        ] },
    })
}

fn tcp_route(service: &str) -> Value {
    json!({
        "type": "MeshGatewayRoute",
        "mesh": "default",
        "name": "bytes",
        "selectors": [{ "match": { "kuma.io/service": "edge-gateway" } }],
        "conf": { "tcp": { "rules": [{ "backends": [{ "destination": { "kuma.io/service": service } }] }] } },
    })
}

/// Sends the access log of the gateway to this backend of the mesh.
async fn log_to(global: &Global, backend: &str) {
    let log = json!({
        "type": "TrafficLog",
        "mesh": "default",
        "name": "edge",
        "sources": [{ "match": { "kuma.io/service": "edge-gateway" } }],
        "destinations": [{ "match": { "kuma.io/service": "*" } }],
        "conf": { "backend": backend },
    });
    let url = "/meshes/default/traffic-logs/edge";
    global.http.put(url, &log).await.unwrap();
}

/// A request of its own in bytes, through a listener that does not read them.
async fn send_bytes(listener: SocketAddr) {
    let mut stream = TcpStream::connect(listener).await.unwrap();
    let request = "GET / HTTP/1.1\r\nhost: any\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
}

/// Waits for the next line that holds this text.
async fn line_with(lines: &mut Lines<BufReader<TcpStream>>, text: &str) -> String {
    let next = async {
        loop {
            let line = lines.next_line().await.unwrap().unwrap();
            if line.contains(text) {
                return line;
            }
        }
    };
    timeout(LIMIT, next).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_reach_a_file_and_a_collector() {
    let sandbox = sandbox();
    let global = global(&sandbox).await;
    let zone = zone(&sandbox, "zone-1", &global).await;
    let echo = sandbox.echo("api-1", "api").await.unwrap();
    zone.register("default", "api-1", "api", echo.address)
        .await
        .unwrap();
    let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let file = sandbox.folder().join("access.log");
    let [http, tcp] = [(); 2].map(|()| free_port().unwrap());
    let address: IpAddr = loopback_with_free_port(13, http).unwrap();
    let (listener, bytes) = (
        SocketAddr::new(address, http),
        SocketAddr::new(address, tcp),
    );
    for (url, resource) in [
        (
            "/meshes/default".to_owned(),
            mesh(&file, collector.local_addr().unwrap()),
        ),
        (
            "/meshes/default/meshgateways/edge".to_owned(),
            mesh_gateway(http, tcp),
        ),
        (route_url("api"), route("api", "/api", "api")),
        (route_url("bytes"), tcp_route("api")),
    ] {
        global.http.put(&url, &resource).await.unwrap();
    }
    log_to(&global, "file").await;
    let running = gateway(&sandbox, &zone, "gw-1", address).await;
    answered(listener, "/api/file", "api").await;
    until("a line in the file", LIMIT, async || {
        let lines = fs::read_to_string(&file).ok()?;
        let expected = "zone-1 edge-gateway 200 [/api/file]";
        lines.lines().any(|line| line == expected).then_some(())
    })
    .await
    .unwrap();

    log_to(&global, "collector").await;
    // Requests until one is told: the first may still meet the file.
    let accepted = async {
        let mut asking = tokio::time::interval(std::time::Duration::from_millis(50));
        let accept = collector.accept();
        tokio::pin!(accept);
        loop {
            tokio::select! {
                accepted = &mut accept => return accepted.unwrap().0,
                _ = asking.tick() => { ask(listener, "/api/first").await; }
            }
        }
    };
    let stream = timeout(LIMIT, accepted).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    answered(listener, "/api/tcp", "api").await;
    let line = line_with(&mut lines, "/api/tcp").await;
    assert_eq!(line, "zone-1 edge-gateway 200 [/api/tcp]");
    answered(listener, "/none", "404").await;
    let line = line_with(&mut lines, "/none").await;
    assert_eq!(line, "zone-1 edge-gateway 404 [/none]");
    // Of a connection nothing is known that is of requests.
    send_bytes(bytes).await;
    let line = line_with(&mut lines, "[-]").await;
    assert_eq!(line, "zone-1 edge-gateway 0 [-]");
    drop(running);
}
