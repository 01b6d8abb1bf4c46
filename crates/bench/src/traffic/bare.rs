//! What a minimal gateway costs for a request beside what Envoy needs at least.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use portolan_gateway::layout::Sizes;
use portolan_sandbox::{Sandbox, free_port};
use serde_json::{Value, json};

use super::{
    backend::Backends,
    configuration::Form,
    contestant::{Contestant, Kind},
    envoy::Envoy,
    load,
    table::{Mix, Table},
};
use crate::figures::Grid;

/// How often both are measured, by turns: the differences are small.
const ROUNDS: u32 = 3;

/// Measures them.
pub(crate) async fn run(sandbox: &Sandbox, time: Duration) -> anyhow::Result<Grid> {
    let backends = Backends::start(sandbox).await?;
    let table = Table::new(Mix::Prefixes, 1);
    let requests = [table.request(0)];
    let mut grid = Grid::new(&["one route", "requests/s / p50 ms / p99 ms / CPU µs"]);

    let ports = [free_port()?, free_port()?];
    let bare = Envoy::with(sandbox, "bare", |bootstrap| {
        let [alone, compressing] = ports;
        bootstrap["static_resources"] = json!({
            "listeners": [
                listener(alone, &[router()]),
                listener(compressing, &[compressor(), router()]),
            ],
            "clusters": [cluster(backends.addresses[0])],
        });
    })?;
    let form = Form::Portolan(Sizes::default());
    let mut gateway = Contestant::start(sandbox, Kind::Envoy(form), &table, &backends).await?;
    gateway.answers(&requests[0]).await?;
    let [alone, compressing] = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let pid = bare.process.pid().context("Envoy has ended")?;
    for _ in 0..ROUNDS {
        for (name, listener, pid) in [
            ("bare Envoy: router alone", alone, pid),
            ("bare Envoy: compressor and router", compressing, pid),
            ("minimal gateway", gateway.listener, gateway.pid()?),
        ] {
            let outcome = load::put(sandbox, listener, &requests, time, pid).await?;
            grid.row(vec![name.to_owned(), outcome.summary()]);
        }
    }
    gateway.stop().await?;
    Ok(grid)
}

/// One route to one cluster, and nothing else.
fn listener(port: u16, filters: &[Value]) -> Value {
    let route = json!({ "match": { "prefix": "/" }, "route": { "cluster": "blue" } });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bare",
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [route] }] },
        "http_filters": filters,
    });
    let filter = json!({
        "name": "envoy.filters.network.http_connection_manager", "typed_config": manager,
    });
    json!({
        "name": port.to_string(),
        "address": { "socket_address": { "address": "127.0.0.1", "port_value": port } },
        "filter_chains": [{ "filters": [filter] }],
    })
}

fn router() -> Value {
    json!({
        "name": "envoy.filters.http.router",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        },
    })
}

/// As the gateway has it.
fn compressor() -> Value {
    json!({
        "name": "gzip-compress",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.compressor.v3.Compressor",
            "compressor_library": {
                "name": "gzip",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip",
                },
            },
            "response_direction_config": { "disable_on_etag_header": true },
        },
    })
}

fn cluster(backend: SocketAddr) -> Value {
    let socket = json!({ "address": backend.ip().to_string(), "port_value": backend.port() });
    let endpoint = json!({ "endpoint": { "address": { "socket_address": socket } } });
    json!({
        "name": "blue",
        "type": "STATIC",
        "load_assignment": { "cluster_name": "blue", "endpoints": [{ "lb_endpoints": [endpoint] }] },
    })
}
