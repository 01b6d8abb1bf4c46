//! What processes tell of themselves: whether they are ready, and metrics that follow one write.

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    path::Path,
};

use portolan_sandbox::{Http, SandboxError, loopback_with_free_port, until};
use support::{LIMIT, answered, gateway, global, mesh_gateway, route, route_url, sandbox, zone};

#[tokio::test(flavor = "multi_thread")]
async fn one_write_is_seen_in_every_process_and_a_zone_is_ready_alone() {
    let sandbox = sandbox();
    let mut global = global(&sandbox).await;
    let mut zone = zone(&sandbox, "zone-1", &global).await;
    let echo = sandbox.echo("api-1", "api").await.unwrap();
    zone.register("default", "api-1", "api", echo.address)
        .await
        .unwrap();
    let port = portolan_sandbox::free_port().unwrap();
    let address = loopback_with_free_port(40, port).unwrap();
    let edge = "/meshes/default/meshgateways/edge";
    global.http.put(edge, &mesh_gateway(port)).await.unwrap();
    let gateway = gateway(&sandbox, &zone, "gw-1", address).await;
    for process in [&global.diagnostics, &zone.diagnostics, &gateway.diagnostics] {
        status(process, "/healthz", 200).await;
        status(process, "/readyz", 200).await;
    }
    let proxies = r#"portolan_zone_proxies{zone="zone-1"}"#;
    reaches(&global.diagnostics, proxies, 1.0).await;

    let before = Metrics::of(&global.diagnostics).await;
    let write = route("api", "/api", "api");
    global.http.put(&route_url("api"), &write).await.unwrap();
    answered(SocketAddr::new(address, port), "/api", "api").await;
    for histogram in ["stored", "served"] {
        let count = format!(r#"portolan_propagation_{histogram}_seconds_count{{zone="zone-1"}}"#);
        let more = before.value(&count).unwrap_or_default() + 1.0;
        reaches(&global.diagnostics, &count, more).await;
        let slow =
            format!(r#"portolan_propagation_{histogram}_seconds_bucket{{zone="zone-1",le="30"}}"#);
        reaches(&global.diagnostics, &slow, more).await;
    }
    follows_the_write(&before, &Metrics::of(&global.diagnostics).await);
    let of_zone = Metrics::of(&zone.diagnostics).await;
    serves_the_write(&of_zone);
    let of_gateway = Metrics::of(&gateway.diagnostics).await;
    assert_eq!(of_gateway.value("portolan_dp_envoy_live"), Some(1.0));
    compare_with_docs(&[
        ("global", &Metrics::of(&global.diagnostics).await),
        ("zone", &of_zone),
        ("dp", &of_gateway),
    ]);

    global.process.kill().await.unwrap();
    reaches_exactly(&zone.diagnostics, "portolan_kds_connected", 0.0).await;
    status(&zone.diagnostics, "/readyz", 200).await;
    zone.process.kill().await.unwrap();
    zone.start().await.unwrap();
    status(&zone.diagnostics, "/readyz", 200).await;
    status(&gateway.diagnostics, "/readyz", 200).await;
}

/// On the global.
fn follows_the_write(before: &Metrics, after: &Metrics) {
    let rose = |name: &str, by: f64| {
        let (from, to) = (before.value(name), after.value(name));
        assert!(
            to >= Some(from.unwrap_or_default() + by),
            "{name}: {from:?} to {to:?}"
        );
    };
    rose("portolan_store_revision", 1.0);
    rose("portolan_store_commit_seconds_count", 1.0);
    rose("portolan_store_commit_batches_sum", 1.0);
    rose(r#"portolan_store_resources{kind="MeshGatewayRoute"}"#, 1.0);
    rose(
        r#"portolan_kds_responses_total{kind="MeshGatewayRoute",answer="acknowledged"}"#,
        1.0,
    );
    let put = r#"{method="PUT",route="/meshes/{mesh}/meshgatewayroutes/{name}",status="2xx"}"#;
    rose(&format!("portolan_rest_request_seconds_count{put}"), 1.0);
    assert_eq!(
        after.value(r#"portolan_zone_online{zone="zone-1"}"#),
        Some(1.0)
    );
    assert_eq!(after.value("portolan_kds_streams"), Some(1.0));
    assert_eq!(
        after.value("portolan_store_commit_failures_total"),
        Some(0.0)
    );
    let acknowledged = after.value(r#"portolan_zone_acknowledged_revision{zone="zone-1"}"#);
    assert!(acknowledged > before.value("portolan_store_revision"));
    for name in ["api-1", "gw-1", "\"edge\"", "\"api\""] {
        assert!(!after.text.contains(name), "a user's {name} is in a label");
    }
}

/// In the zone.
fn serves_the_write(zone: &Metrics) {
    assert_eq!(zone.value("portolan_kds_connected"), Some(1.0));
    assert_eq!(zone.value("portolan_xds_streams"), Some(1.0));
    assert_eq!(zone.value("portolan_xds_refusing_proxies"), Some(0.0));
    assert!(zone.value("portolan_kds_applied_revision") > Some(0.0));
    assert!(zone.value("portolan_compile_seconds_count") >= Some(2.0));
    let tables = r#"portolan_xds_responses_total{type="RouteConfiguration",outcome="#;
    assert!(zone.value(&format!("{tables}\"acknowledged\"}}")) >= Some(2.0));
    assert_eq!(zone.value(&format!("{tables}\"refused\"}}")), Some(0.0));
}

/// Waits until a path is answered with a status.
async fn status(process: &Http, path: &str, expected: u16) {
    until(&format!("{expected} on {path}"), LIMIT, async || {
        let status = match process.get(path).await {
            Ok(_) => 200,
            Err(SandboxError::Refused { status, .. }) => status,
            Err(_) => 0,
        };
        (status == expected).then_some(())
    })
    .await
    .unwrap();
}

async fn reaches(process: &Http, metric: &str, least: f64) {
    wait(process, metric, |value| value >= least).await;
}

async fn reaches_exactly(process: &Http, metric: &str, expected: f64) {
    wait(process, metric, |value| value == expected).await;
}

async fn wait(process: &Http, metric: &str, is_right: impl Fn(f64) -> bool) {
    until(&format!("a change of {metric}"), LIMIT, async || {
        let value = Metrics::of(process).await.value(metric)?;
        is_right(value).then_some(())
    })
    .await
    .unwrap();
}

/// What one process exposes.
struct Metrics {
    text: String,
}

impl Metrics {
    async fn of(process: &Http) -> Self {
        let text = process.get("/metrics").await.unwrap();
        Self {
            text: text.as_str().unwrap().to_owned(),
        }
    }

    /// The value of a metric with exactly these labels.
    fn value(&self, metric: &str) -> Option<f64> {
        let mut lines = self.text.lines();
        lines.find_map(|line| line.strip_prefix(metric)?.strip_prefix(' ')?.parse().ok())
    }

    /// What the table of docs/metrics.md says of a metric: name, type, labels, unit, meaning.
    fn described(&self) -> BTreeSet<[String; 5]> {
        let comments = |kind: &str| -> BTreeMap<&str, &str> {
            let lines = self.text.lines();
            lines
                .filter_map(|line| line.strip_prefix(kind)?.split_once(' '))
                .collect()
        };
        let helps = comments("# HELP ");
        let types = comments("# TYPE ").into_iter();
        types
            .map(|(name, metric_type)| {
                let help = helps[name].trim_end_matches('.').to_owned();
                let labels = self.labels(name).join(", ");
                [
                    name.to_owned(),
                    metric_type.to_owned(),
                    labels,
                    unit(name).to_owned(),
                    help,
                ]
            })
            .collect()
    }

    fn labels(&self, name: &str) -> Vec<&str> {
        let braces = self.text.lines().find_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (suffix, rest) = rest.split_once('{').unwrap_or((rest, ""));
            let is_sample = ["", "_bucket"].contains(&suffix);
            is_sample.then(|| rest.rsplit_once('}').map_or("", |(labels, _)| labels))
        });
        let pairs = braces.unwrap_or_default().split("\",");
        let names = pairs.filter_map(|pair| Some(pair.split_once('=')?.0));
        names.filter(|label| *label != "le").collect()
    }
}

fn unit(name: &str) -> &str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    let units = ["seconds", "bytes"];
    units
        .into_iter()
        .find(|unit| name.ends_with(&format!("_{unit}")))
        .unwrap_or("-")
}

/// The table says of each process exactly what it exposes.
fn compare_with_docs(processes: &[(&str, &Metrics)]) {
    let mut exposed = BTreeMap::<_, Vec<_>>::new();
    for (process, metrics) in processes {
        for row in metrics.described() {
            exposed.entry(row).or_default().push(*process);
        }
    }
    let exposed = exposed.into_iter().map(|(row, processes)| {
        let [name, metric_type, labels, unit, meaning] = row;
        let labels = if labels.is_empty() {
            "-".to_owned()
        } else {
            labels
        };
        let processes = processes.join(", ");
        format!("| `{name}` | {metric_type} | {labels} | {unit} | {processes} | {meaning} |")
    });
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let docs = fs::read_to_string(docs).unwrap();
    let told: BTreeSet<_> = docs
        .lines()
        .filter(|line| line.starts_with("| `portolan_") || line.starts_with("| `process_"))
        .map(str::to_owned)
        .collect();
    let exposed: BTreeSet<_> = exposed.collect();
    let missing: Vec<_> = exposed.difference(&told).map(String::as_str).collect();
    let untrue: Vec<_> = told.difference(&exposed).map(String::as_str).collect();
    assert!(
        missing.is_empty() && untrue.is_empty(),
        "docs/metrics.md lacks\n{}\nand has what is not exposed\n{}",
        missing.join("\n"),
        untrue.join("\n")
    );
}
