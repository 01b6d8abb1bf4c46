//! A hundred zones on one global: light KDS clients over real gRPC and TLS in this one process.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args as ClapArgs;
use portolan_proto::{
    discovery::{DeltaDiscoveryRequest, Node},
    mesh::kds_sync_service_client::KdsSyncServiceClient,
    well_known::{ListValue, Struct, Value, value::Kind},
};
use portolan_sandbox::{Global, GlobalOptions, Sandbox, postgres::Postgres};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::{
    Request,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

use crate::{
    client::Connection,
    discovery::acknowledgement,
    figures::{Table, Times, milliseconds, progress},
    process::{cpu, resident_mib},
    routes::{self, SERVICES},
};

/// Measures a hundred zones on one global.
#[derive(ClapArgs, Debug)]
pub(crate) struct Args {
    /// Zones
    #[arg(long, default_value_t = 100)]
    zones: usize,

    /// Routes that every zone gets
    #[arg(long, default_value_t = 10_000)]
    routes: usize,

    /// Routes while idleness is measured
    #[arg(long, default_value_t = 1_000)]
    idle_routes: usize,

    /// Changes measured
    #[arg(long, default_value_t = 50)]
    changes: usize,

    /// The portolan binary
    #[arg(long, default_value = "target/release/portolan")]
    binary: String,
}

/// Kinds that a zone of ours asks for.
const KINDS: [&str; 3] = ["Mesh", "MeshGateway", "MeshGatewayRoute"];
/// The kind that is counted.
const COUNTED: &str = "MeshGatewayRoute";
/// How long idleness is watched.
const IDLE: Duration = Duration::from_secs(10);
/// Longest time that anything measured may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What a client received.
struct Received {
    routes: usize,
    at: Instant,
}

/// Runs all of it and prints the table.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut table = Table::new(&format!("{} zones on one global", args.zones), "figure");
    let sandbox = Sandbox::new(&args.binary)?;
    let mut postgres = Postgres::start().await?;
    let options = GlobalOptions {
        store: Some(postgres.url()),
        ..GlobalOptions::default()
    };
    let mut global = sandbox.global(&options).await?;

    fill(&global, 0..args.idle_routes).await?;
    {
        let mut zones = Zones::connect(&global, args.zones).await?;
        zones.first_state(args.idle_routes).await?;
        let percent = idle(&global).await?;
        table.row(
            format!(
                "CPU of the global over 10 idle s at {} routes, % of a core",
                args.idle_routes
            ),
            format!("{percent:.1}"),
        );
    }
    fill(&global, args.idle_routes..args.routes).await?;
    let start = Instant::now();
    let mut zones = Zones::connect(&global, args.zones).await?;
    zones.first_state(args.routes).await?;
    table.row(
        format!(
            "first state of {} routes in all zones at once, ms",
            args.routes
        ),
        milliseconds(start.elapsed()),
    );
    let times = zones.changes(&global, args.changes).await?;
    table.row(
        format!(
            "a change at {} routes in every zone, ms min / median / p99",
            args.routes
        ),
        times.summary(),
    );
    let memory = resident_mib(&global.process)?;
    table.row(
        format!("resident MiB of the global at {} routes", args.routes),
        format!("{memory:.0}"),
    );
    drop(zones);
    global.process.stop().await?;
    postgres.stop().await?;
    table.print();
    Ok(())
}

async fn fill(global: &Global, numbers: std::ops::Range<usize>) -> anyhow::Result<()> {
    progress(&format!("writing routes up to {}", numbers.end));
    let resources: Vec<_> = numbers
        .map(|number| routes::route(number, SERVICES[0]))
        .collect();
    for page in resources.chunks(2000) {
        global
            .http
            .post("/_apply", &json!({ "resources": page }))
            .await?;
    }
    Ok(())
}

async fn idle(global: &Global) -> anyhow::Result<f64> {
    progress("idle for 10 s");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = cpu(&global.process)?;
    tokio::time::sleep(IDLE).await;
    let spent = cpu(&global.process)?.since(&before);
    Ok(spent.as_secs_f64() / IDLE.as_secs_f64() * 100.0)
}

struct Zones {
    received: mpsc::UnboundedReceiver<Received>,
    count: usize,
    tasks: tokio::task::JoinSet<anyhow::Result<()>>,
}

impl Zones {
    async fn connect(global: &Global, count: usize) -> anyhow::Result<Self> {
        progress(&format!("connecting {count} zones"));
        let ca = std::fs::read_to_string(global.ca())?;
        let url = global.kds.replace("grpcs://", "https://");
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
        let endpoint = Endpoint::from_shared(url)?.tls_config(tls)?;
        // Never more than what the changes under way send; the receiver is read all the time.
        let (sender, received) = mpsc::unbounded_channel();
        let mut tasks = tokio::task::JoinSet::new();
        for zone in 0..count {
            let (endpoint, sender) = (endpoint.clone(), sender.clone());
            let zone = format!("bench-{zone}");
            let token = global.zone_token(&zone).await?;
            tasks.spawn(async move {
                let channel = endpoint.connect().await?;
                follow(channel, zone, &token, sender).await
            });
        }
        Ok(Self {
            received,
            count,
            tasks,
        })
    }

    /// Waits until every zone has that many routes.
    async fn first_state(&mut self, routes: usize) -> anyhow::Result<()> {
        let mut missing = routes * self.count;
        while missing > 0 {
            let received = self.next().await?;
            missing = missing.saturating_sub(received.routes);
        }
        Ok(())
    }

    /// From the answer to a PUT to its arrival in each zone.
    async fn changes(&mut self, global: &Global, changes: usize) -> anyhow::Result<Times> {
        progress("changing routes");
        let address = global.http.base().trim_start_matches("http://").parse()?;
        let mut api = Connection::open(address, "localhost").await?;
        let mut times = Times::default();
        for change in 0..changes {
            let route = routes::route(change, SERVICES[1]);
            api.put(&routes::url(change), &route).await?;
            let answered = Instant::now();
            for n in 0..self.count {
                let received = self
                    .next()
                    .await
                    .with_context(|| format!("change {change}, zone number {n}"))?;
                times.add(received.at.saturating_duration_since(answered));
            }
        }
        Ok(times)
    }

    async fn next(&mut self) -> anyhow::Result<Received> {
        tokio::select! {
            received = tokio::time::timeout(LIMIT, self.received.recv()) => {
                received.context("the zones did not get everything")?.context("no zone is left")
            }
            Some(ended) = self.tasks.join_next() => {
                ended??;
                anyhow::bail!("the global closed a zone's stream")
            }
        }
    }
}

/// One zone: subscribes to every kind, acknowledges everything, counts routes.
async fn follow(
    channel: Channel,
    zone: String,
    token: &str,
    received: mpsc::UnboundedSender<Received>,
) -> anyhow::Result<()> {
    let (requests, stream) = mpsc::channel(KINDS.len() + 1);
    for kind in KINDS {
        requests.send(subscription(&zone, kind)).await?;
    }
    let mut request = Request::new(ReceiverStream::new(stream));
    for (name, value) in [
        ("client-id", zone.as_str()),
        ("kds-version", "v3"),
        ("features", "hash-suffix"),
        ("authorization", &format!("Bearer {token}")),
    ] {
        request.metadata_mut().insert(name, value.parse()?);
    }
    let mut client = KdsSyncServiceClient::new(channel).max_decoding_message_size(64 << 20);
    let mut responses = client.global_to_zone_sync(request).await?.into_inner();
    while let Some(response) = responses.next().await {
        let response = response?;
        let routes = response.resources.len();
        if response.type_url == COUNTED && routes > 0 {
            ensure!(
                response.resources[0].resource.is_some(),
                "a resource without content"
            );
            received.send(Received {
                routes,
                at: Instant::now(),
            })?;
        }
        requests.send(acknowledgement(&response)).await?;
    }
    Ok(())
}

fn subscription(zone: &str, kind: &str) -> DeltaDiscoveryRequest {
    let text = |text: &str| Value {
        kind: Some(Kind::StringValue(text.to_owned())),
    };
    let features = ["zone-token", "hash-suffix", "portolan-resume"]
        .map(text)
        .to_vec();
    let features = Value {
        kind: Some(Kind::ListValue(ListValue { values: features })),
    };
    let fields = [
        ("features".to_owned(), features),
        ("config".to_owned(), text("")),
    ];
    DeltaDiscoveryRequest {
        node: Some(Node {
            id: zone.to_owned(),
            metadata: Some(Struct {
                fields: fields.into_iter().collect(),
            }),
            ..Node::default()
        }),
        type_url: kind.to_owned(),
        resource_names_subscribe: vec!["*".to_owned()],
        ..DeltaDiscoveryRequest::default()
    }
}
