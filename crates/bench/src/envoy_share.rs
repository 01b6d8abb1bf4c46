//! How long Envoy alone needs for a changed route table: the same table comes from a file.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use portolan_sandbox::{Gateway, free_port};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    client::Connection,
    figures::{Times, progress},
};

/// Changes measured.
const CHANGES: usize = 10;
/// Longest time that one may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Takes the route table that a gateway serves, gives it to an Envoy of its own from a file, and changes
/// one answer after another.
pub(crate) async fn measure(gateway: &Gateway) -> anyhow::Result<Times> {
    progress("Envoy alone, with the route table from a file");
    let folder = tempfile::tempdir()?;
    let table = folder.path().join("routes.json");
    let mut dumped = route_table(gateway).await?;
    let port = free_port()?;
    write_table(&table, &mut dumped, "before")?;
    let bootstrap = folder.path().join("envoy.json");
    fs::write(&bootstrap, config(&table, port).to_string())?;
    let mut envoy = Command::new(std::env::var("ENVOY_BIN").context("ENVOY_BIN is not set")?)
        .arg("-c")
        .arg(&bootstrap)
        .args(["--use-dynamic-base-id", "--concurrency", "1", "-l", "off"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let listener = SocketAddr::from(([127, 0, 0, 1], port));
    wait(listener, "before").await?;
    let mut times = Times::default();
    for change in 0..CHANGES {
        let marker = format!("change-{change}");
        write_table(&table, &mut dumped, &marker)?;
        let written = Instant::now();
        wait(listener, &marker).await?;
        times.add(written.elapsed());
    }
    envoy.kill().await?;
    Ok(times)
}

/// The host whose answer shows which table is in force.
const PROBE: &str = "probe.example.com";

/// The route configuration that the gateway's Envoy has now.
async fn route_table(gateway: &Gateway) -> anyhow::Result<Value> {
    let answer = gateway
        .admin("/config_dump?resource=dynamic_route_configs")
        .await?;
    let start = answer
        .find('{')
        .context("the admin interface gave no configuration")?;
    // The admin interface sends large answers in chunks, whose sizes stand between the lines.
    let body: String = answer[start..]
        .split("\r\n")
        .filter(|part| part.is_empty() || u64::from_str_radix(part, 16).is_err())
        .collect();
    let dump: Value = serde_json::from_str(&body)?;
    Ok(dump["configs"][0]["route_config"].clone())
}

/// Writes the table with a virtual host that answers `marker`, in one step.
fn write_table(file: &Path, table: &mut Value, marker: &str) -> anyhow::Result<()> {
    let probe = json!({
        "name": PROBE,
        "domains": [PROBE],
        "routes": [{
            "match": { "prefix": "/" },
            "direct_response": { "status": 200 },
            "response_headers_to_add": [{ "header": { "key": "x-echo-service", "value": marker } }],
        }],
    });
    let hosts = table["virtual_hosts"]
        .as_array_mut()
        .context("the table has no virtual hosts")?;
    hosts.retain(|host| host["name"] != PROBE);
    hosts.push(probe);
    table["name"] = json!("table");
    let next = file.with_extension("next");
    fs::write(
        &next,
        json!({ "version_info": marker, "resources": [table] }).to_string(),
    )?;
    // Envoy watches for the move.
    Ok(fs::rename(next, file)?)
}

fn config(table: &Path, port: u16) -> Value {
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "rds": {
            "route_config_name": "table",
            "config_source": { "path_config_source": { "path": table } },
        },
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            },
        }],
    });
    let node = json!({ "id": "bench", "cluster": "bench" });
    json!({ "node": node, "static_resources": { "listeners": [{
        "name": "bench",
        "address": { "socket_address": { "address": "127.0.0.1", "port_value": port } },
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": manager,
        }] }],
    }] } })
}

async fn wait(listener: SocketAddr, marker: &str) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut connection = None;
    loop {
        if connection.is_none() {
            connection = Connection::open(listener, PROBE).await.ok();
        }
        if let Some(open) = &mut connection {
            match open.get("/").await {
                Ok(answer) if answer.service.as_deref() == Some(marker) => return Ok(()),
                Ok(_) => {}
                Err(_) => connection = None,
            }
        }
        ensure!(
            start.elapsed() < LIMIT,
            "Envoy did not take the table from the file"
        );
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
}
