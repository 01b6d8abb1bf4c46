//! A thousand instances of one gateway in a zone: light ADS clients over real gRPC and TLS in this one process.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use portolan_proto::{
    discovery::{
        DeltaDiscoveryRequest, Node,
        aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
    },
    well_known::{Struct, Value, value::Kind},
};
use portolan_sandbox::{GlobalOptions, Sandbox, Zone, ZoneOptions};
use serde_json::json;
use tokio::{sync::mpsc, task::JoinSet};
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

/// Measures a thousand instances of one gateway in a zone.
#[derive(ClapArgs, Debug)]
pub(crate) struct Args {
    /// Gateway instances
    #[arg(long, default_value_t = 1_000)]
    instances: usize,

    /// Routes of the gateway
    #[arg(long, default_value_t = 100)]
    routes: usize,

    /// Changes measured
    #[arg(long, default_value_t = 30)]
    changes: usize,

    /// The portolan binary
    #[arg(long, default_value = "target/release/portolan")]
    binary: String,
}

const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const ENDPOINTS: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
const ROUTES: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
/// Port of the gateway; nobody listens on it, for the clients only follow.
const PORT: u16 = 8080;
/// Longest time that anything measured may take.
const LIMIT: Duration = Duration::from_secs(60);

/// When an instance got a route table.
type Received = Instant;

/// Runs all of it and prints the table.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let what = format!("{} instances of one gateway in a zone", args.instances);
    let mut table = Table::new(&what, "figure");
    let sandbox = Sandbox::new(&args.binary)?;
    let mut global = sandbox.global(&GlobalOptions::default()).await?;
    let mut zone = sandbox
        .zone("zone-1", &[&global], &ZoneOptions::default())
        .await?;
    global.zones_online(&["zone-1"]).await?;
    for service in SERVICES {
        let address = ([127, 0, 0, 1], 9).into();
        zone.register("default", service, service, address).await?;
    }
    let mut resources = vec![routes::gateway(PORT)];
    resources.extend((0..args.routes).map(|number| routes::route(number, SERVICES[0])));
    let body = json!({ "resources": resources });
    global.http.post("/_apply", &body).await?;

    let start = Instant::now();
    let mut instances = Instances::connect(&zone, &args).await?;
    instances.all().await?;
    table.row(
        "all connected, registered and with their first route table, ms",
        milliseconds(start.elapsed()),
    );
    global.instances_connected(args.instances).await?;
    // What the insights of so many say first is written before anything is measured.
    tokio::time::sleep(Duration::from_secs(3)).await;

    let before = cpu(&zone.process)?;
    let address = global.http.base().trim_start_matches("http://").parse()?;
    let times = instances.changes(address, &args).await?;
    let spent = cpu(&zone.process)?.since(&before);
    table.row(
        "a change in every instance, ms min / median / p99",
        times.summary(),
    );
    table.row(
        "CPU of the zone for a change, ms",
        milliseconds(spent / u32::try_from(args.changes)?.max(1)),
    );
    table.row(
        "resident MiB of the zone",
        format!("{:.0}", resident_mib(&zone.process)?),
    );
    drop(instances);
    zone.process.stop().await?;
    global.process.stop().await?;
    table.print();
    Ok(())
}

struct Instances {
    received: mpsc::UnboundedReceiver<Received>,
    count: usize,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl Instances {
    async fn connect(zone: &Zone, args: &Args) -> anyhow::Result<Self> {
        progress(&format!("connecting {} instances", args.instances));
        let ca = std::fs::read_to_string(zone.ca())?;
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
        let endpoint = Endpoint::from_shared(zone.data_plane_url.clone())?.tls_config(tls)?;
        // One token for every name in the mesh.
        let token = zone.token("default", "").await?;
        // Never more than what the change under way sends; the receiver is read all the time.
        let (sender, received) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        for number in 0..args.instances {
            let (endpoint, sender, token) = (endpoint.clone(), sender.clone(), token.clone());
            tasks.spawn(async move {
                let channel = endpoint.connect().await?;
                follow(channel, number, &token, sender).await
            });
        }
        Ok(Self {
            received,
            count: args.instances,
            tasks,
        })
    }

    /// Waits until each has got one route table more.
    async fn all(&mut self) -> anyhow::Result<Vec<Received>> {
        let mut all = Vec::with_capacity(self.count);
        while all.len() < self.count {
            all.push(self.next().await?);
        }
        Ok(all)
    }

    /// From the answer to a PUT on the global to its arrival in each instance.
    async fn changes(
        &mut self,
        global: std::net::SocketAddr,
        args: &Args,
    ) -> anyhow::Result<Times> {
        progress("changing routes");
        let mut api = Connection::open(global, "localhost").await?;
        let mut times = Times::default();
        for change in 0..args.changes {
            let number = change % args.routes;
            let service = SERVICES[(change / args.routes + 1) % SERVICES.len()];
            let route = routes::route(number, service);
            api.put(&routes::url(number), &route).await?;
            let answered = Instant::now();
            for at in self.all().await? {
                times.add(at.saturating_duration_since(answered));
            }
        }
        Ok(times)
    }

    async fn next(&mut self) -> anyhow::Result<Received> {
        tokio::select! {
            received = tokio::time::timeout(LIMIT, self.received.recv()) => {
                received.context("the instances did not get everything")?.context("no instance is left")
            }
            Some(ended) = self.tasks.join_next() => {
                ended??;
                bail!("the zone closed an instance's stream")
            }
        }
    }
}

/// One instance: subscribes as Envoy does, acknowledges everything, tells of route tables.
async fn follow(
    channel: Channel,
    number: usize,
    token: &str,
    received: mpsc::UnboundedSender<Received>,
) -> anyhow::Result<()> {
    let (requests, stream) = mpsc::channel(16);
    let mut request = Request::new(ReceiverStream::new(stream));
    request
        .metadata_mut()
        .insert("authorization", token.parse()?);
    for type_url in [CLUSTER, LISTENER] {
        let subscribed = DeltaDiscoveryRequest {
            node: Some(node(number)),
            ..subscription(type_url, Vec::new())
        };
        requests.send(subscribed).await?;
    }
    let mut client = AggregatedDiscoveryServiceClient::new(channel);
    let mut responses = client
        .delta_aggregated_resources(request)
        .await?
        .into_inner();
    while let Some(response) = responses.next().await {
        let response = response?;
        let names = || {
            response
                .resources
                .iter()
                .map(|resource| resource.name.clone())
        };
        // Envoy asks for what a new resource refers to: endpoints by the cluster's name, routes by the
        // listener's.
        let further = match response.type_url.as_str() {
            CLUSTER => Some(subscription(ENDPOINTS, names().collect())),
            LISTENER => {
                let tables = names().map(|name| format!("{name}:*")).collect();
                Some(subscription(ROUTES, tables))
            }
            _ => None,
        };
        if response.type_url == ROUTES {
            received.send(Instant::now())?;
        }
        requests.send(acknowledgement(&response)).await?;
        if let Some(further) = further.filter(|asked| !asked.resource_names_subscribe.is_empty()) {
            requests.send(further).await?;
        }
    }
    Ok(())
}

fn subscription(type_url: &str, names: Vec<String>) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: type_url.to_owned(),
        resource_names_subscribe: names,
        ..DeltaDiscoveryRequest::default()
    }
}

/// Every instance has an address of its own, as containers have.
fn node(number: usize) -> Node {
    let dataplane = json!({
        "type": "Dataplane",
        "mesh": "default",
        "name": format!("gw-{number}"),
        "networking": {
            "address": format!("10.{}.{}.{}", number / 62_500, number / 250 % 250, number % 250 + 1),
            "gateway": { "type": "BUILTIN", "tags": { "kuma.io/service": "edge-gateway" } },
        },
    });
    let resource = Value {
        kind: Some(Kind::StringValue(dataplane.to_string())),
    };
    Node {
        id: format!("default.gw-{number}"),
        metadata: Some(Struct {
            fields: [("dataplane.resource".to_owned(), resource)].into(),
        }),
        ..Node::default()
    }
}
