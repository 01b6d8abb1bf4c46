//! Propagation, write rate, CPU and memory: a global on Postgres, two zones, one Envoy in each.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use clap::Args as ClapArgs;
use portolan_sandbox::{
    Echo, Gateway, GatewayOptions, Global, GlobalOptions, Process, Sandbox, Zone, ZoneOptions,
    free_port, postgres::Postgres,
};
use serde_json::json;

use crate::{
    client::Connection,
    envoy_share,
    figures::{Table, Times, milliseconds, progress},
    policies,
    process::{Cpu, cpu, resident_mib},
    routes::{self, HOST, SERVICES},
};

/// Measures propagation, write rate, CPU and memory.
#[derive(ClapArgs, Debug)]
pub(crate) struct Args {
    /// Numbers of routes at which propagation is measured, rising
    #[arg(long, value_delimiter = ',', default_value = "10,1000,10000")]
    sizes: Vec<usize>,

    /// Changes measured at each size
    #[arg(long, default_value_t = 60)]
    changes: usize,

    /// Policies of mixed kinds in the mesh, a tenth of which shape the routes
    #[arg(long, default_value_t = 0)]
    policies: usize,

    /// Connections that write at the same time
    #[arg(long, default_value_t = 8)]
    connections: usize,

    /// The portolan binary
    #[arg(long, default_value = "target/release/portolan")]
    binary: String,
}

/// Longest time that anything measured may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How long idleness is watched.
const IDLE: Duration = Duration::from_secs(10);

struct Field {
    sandbox: Sandbox,
    postgres: Postgres,
    global: Global,
    zones: Vec<Zone>,
    gateways: Vec<Gateway>,
    /// Where each zone's Envoy listens.
    listeners: Vec<SocketAddr>,
    services: Vec<Echo>,
}

/// Runs all of it and prints the table.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut table = Table::new("gateway, one Envoy in each of two zones", "figure");
    let mut field = Field::start(&args).await?;
    let api = api_address(&field.global)?;
    let largest = args.sizes.last().copied().context("--sizes is empty")?;

    if args.policies > 0 {
        progress(&format!("writing {} policies", args.policies));
        field.shape(args.policies).await?;
    }
    for &size in &args.sizes {
        progress(&format!("propagation at {size} routes"));
        field.fill(size).await?;
        let times = field.propagation(api, size, args.changes).await?;
        for (zone, times) in field.zones.iter().zip(&times) {
            let what = format!(
                "propagation at {size} routes, {}, ms min / median / p99",
                zone.name
            );
            table.row(what, times.summary());
        }
    }
    field.idle(&mut table, largest).await?;
    field.memory(&mut table, largest)?;
    let share = envoy_share::measure(&field.gateways[0]).await?;
    table.row(
        format!("of which Envoy alone, a new table of {largest} routes from a file, ms"),
        share.summary(),
    );
    field.restart(&mut table, largest).await?;

    field.clear(api, largest, args.connections).await?;
    field
        .write_rate(&mut table, api, largest, args.connections)
        .await?;
    field.stop().await?;
    table.print();
    Ok(())
}

impl Field {
    /// Writes so many policies.
    async fn shape(&self, count: usize) -> anyhow::Result<()> {
        let resources: Vec<_> = (0..count).map(policies::policy).collect();
        let body = json!({ "resources": resources });
        self.global.http.post("/_apply", &body).await?;
        Ok(())
    }

    async fn start(args: &Args) -> anyhow::Result<Self> {
        progress("starting Postgres, a global, two zones and their Envoys");
        let sandbox = Sandbox::new(&args.binary)?;
        let postgres = Postgres::start().await?;
        let options = GlobalOptions {
            store: Some(postgres.url()),
            ..GlobalOptions::default()
        };
        let global = sandbox.global(&options).await?;
        let mut field = Self {
            sandbox,
            postgres,
            global,
            zones: Vec::new(),
            gateways: Vec::new(),
            listeners: Vec::new(),
            services: Vec::new(),
        };
        let port = free_port()?;
        for number in 1..=2_u8 {
            field.add_zone(number, port).await?;
        }
        field
            .global
            .http
            .put("/meshes/default/meshgateways/edge", &routes::gateway(port))
            .await?;
        Ok(field)
    }

    async fn add_zone(&mut self, number: u8, port: u16) -> anyhow::Result<()> {
        let name = format!("zone-{number}");
        let zone = self
            .sandbox
            .zone(&name, &[&self.global], &ZoneOptions::default())
            .await?;
        self.global.zones_online(&[&name]).await?;
        for service in SERVICES {
            let instance = format!("{service}-{number}");
            let echo = self.sandbox.echo(&instance, service).await?;
            zone.register("default", &instance, service, echo.address)
                .await?;
            self.services.push(echo);
        }
        let listener = SocketAddr::from(([127, 0, number, 1], port));
        let options = GatewayOptions {
            name: format!("gw-{number}"),
            mesh: "default".to_owned(),
            address: listener.ip(),
            service: "edge-gateway".to_owned(),
        };
        self.gateways
            .push(self.sandbox.gateway(&zone, &options).await?);
        self.listeners.push(listener);
        self.zones.push(zone);
        Ok(())
    }

    /// Writes routes up to `size` in one transaction and waits until both Envoys serve the last.
    async fn fill(&self, size: usize) -> anyhow::Result<()> {
        let resources: Vec<_> = (0..size)
            .map(|number| routes::route(number, SERVICES[0]))
            .collect();
        for page in resources.chunks(2000) {
            self.global
                .http
                .post("/_apply", &json!({ "resources": page }))
                .await?;
        }
        for &listener in &self.listeners {
            served(listener, size - 1, SERVICES[0]).await?;
        }
        Ok(())
    }

    /// From the answer to a PUT to the first changed answer of each zone's Envoy.
    async fn propagation(
        &self,
        api: SocketAddr,
        size: usize,
        changes: usize,
    ) -> anyhow::Result<Vec<Times>> {
        let mut api = Connection::open(api, "localhost").await?;
        let mut times: Vec<Times> = self.listeners.iter().map(|_| Times::default()).collect();
        for change in 0..changes {
            let number = (change * 7919) % size;
            let before = current(self.listeners[0], number).await?;
            let service = SERVICES[usize::from(before == SERVICES[0])];
            api.put(&routes::url(number), &routes::route(number, service))
                .await?;
            let answered = Instant::now();
            let waits = self
                .listeners
                .iter()
                .map(|&listener| served(listener, number, service));
            let waits: Vec<_> = waits
                .map(|wait| async move { wait.await.map(|()| answered.elapsed()) })
                .collect();
            for (times, took) in times.iter_mut().zip(join_all(waits).await?) {
                times.add(took);
            }
        }
        Ok(times)
    }

    async fn write_rate(
        &self,
        table: &mut Table,
        api: SocketAddr,
        count: usize,
        connections: usize,
    ) -> anyhow::Result<()> {
        progress(&format!(
            "{count} single PUTs over {connections} connections"
        ));
        let before = self.cpu()?;
        let start = Instant::now();
        put_all(api, count, connections).await?;
        let took = start.elapsed();
        let answered = Instant::now();
        let waits = self
            .listeners
            .iter()
            .map(|&listener| served(listener, count - 1, SERVICES[0]));
        join_all(waits.collect()).await?;
        let until_served = answered.elapsed();
        let spent = self.cpu_since(&before)?;
        let rate = count as f64 / took.as_secs_f64();
        table.row(
            format!("{count} single PUTs over {connections} connections, per second"),
            format!("{rate:.0}"),
        );
        table.row(
            "until both Envoys serve the last of them, ms",
            milliseconds(until_served),
        );
        table.row("CPU for them, s: global / zone-1 / zone-2", seconds(&spent));
        let total: Duration = spent.iter().sum();
        table.row(
            "CPU for them, s: all control planes",
            format!("{:.2}", total.as_secs_f64()),
        );
        Ok(())
    }

    async fn idle(&self, table: &mut Table, size: usize) -> anyhow::Result<()> {
        progress("idle for 10 s");
        tokio::time::sleep(Duration::from_secs(2)).await;
        let before = self.cpu()?;
        tokio::time::sleep(IDLE).await;
        let percent: Vec<_> = self
            .cpu_since(&before)?
            .iter()
            .map(|spent| format!("{:.1}", spent.div_duration_f64(IDLE) * 100.0))
            .collect();
        table.row(
            format!("CPU over 10 idle s at {size} routes, % of a core: global / zone-1 / zone-2"),
            percent.join(" / "),
        );
        Ok(())
    }

    fn memory(&self, table: &mut Table, size: usize) -> anyhow::Result<()> {
        let resident: Vec<_> = self
            .control_planes()
            .map(|process| Ok(format!("{:.0}", resident_mib(process)?)))
            .collect::<anyhow::Result<_>>()?;
        table.row(
            format!("resident MiB at {size} routes: global / zone-1 / zone-2"),
            resident.join(" / "),
        );
        Ok(())
    }

    /// Start to ready with everything on disk.
    async fn restart(&mut self, table: &mut Table, size: usize) -> anyhow::Result<()> {
        self.global.process.stop().await?;
        let start = Instant::now();
        self.global.start().await?;
        let global = start.elapsed();
        let zone = &mut self.zones[1];
        zone.process.stop().await?;
        let start = Instant::now();
        zone.start().await?;
        let ready = [global, start.elapsed()].map(milliseconds).join(" / ");
        table.row(
            format!("start to ready at {size} routes, ms: global / zone"),
            ready,
        );
        self.global.zones_online(&["zone-1", "zone-2"]).await?;
        Ok(())
    }

    /// Deletes all routes, so that the next writes create.
    async fn clear(&self, api: SocketAddr, size: usize, connections: usize) -> anyhow::Result<()> {
        progress("deleting all routes");
        let deleters = (0..connections).map(|deleter| async move {
            let mut connection = Connection::open(api, "localhost").await?;
            for number in (deleter..size).step_by(connections) {
                connection.delete(&routes::url(number)).await?;
            }
            Ok(())
        });
        join_all(deleters.collect()).await?;
        for &listener in &self.listeners {
            gone(listener, size - 1).await?;
        }
        Ok(())
    }

    /// The global and the zones.
    fn control_planes(&self) -> impl Iterator<Item = &Process> {
        let zones = self.zones.iter().map(|zone| &zone.process);
        std::iter::once(&self.global.process).chain(zones)
    }

    fn cpu(&self) -> anyhow::Result<Vec<Cpu>> {
        self.control_planes().map(cpu).collect()
    }

    /// What each of them used since a look.
    fn cpu_since(&self, before: &[Cpu]) -> anyhow::Result<Vec<Duration>> {
        let now = self.cpu()?;
        let spent = now
            .iter()
            .zip(before)
            .map(|(now, before)| now.since(before));
        Ok(spent.collect())
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        for gateway in &mut self.gateways {
            gateway.process.stop().await?;
        }
        for service in &mut self.services {
            service.process.stop().await?;
        }
        for zone in &mut self.zones {
            zone.process.stop().await?;
        }
        self.global.process.stop().await?;
        self.postgres.stop().await?;
        Ok(())
    }
}

fn api_address(global: &Global) -> anyhow::Result<SocketAddr> {
    Ok(global.http.base().trim_start_matches("http://").parse()?)
}

fn seconds(times: &[Duration]) -> String {
    let times: Vec<_> = times
        .iter()
        .map(|time| format!("{:.2}", time.as_secs_f64()))
        .collect();
    times.join(" / ")
}

async fn join_all<T: Send + 'static>(
    waits: Vec<impl Future<Output = anyhow::Result<T>> + Send + 'static>,
) -> anyhow::Result<Vec<T>> {
    let tasks: Vec<_> = waits.into_iter().map(tokio::spawn).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await??);
    }
    Ok(results)
}

/// Waits until the Envoy at `listener` sends route `number` to `service`.
async fn served(listener: SocketAddr, number: usize, service: &'static str) -> anyhow::Result<()> {
    wait(listener, number, |answer| {
        answer.as_deref() == Some(service)
    })
    .await
}

/// Waits until nobody answers route `number`.
async fn gone(listener: SocketAddr, number: usize) -> anyhow::Result<()> {
    wait(listener, number, |answer| answer.is_none()).await
}

async fn wait(
    listener: SocketAddr,
    number: usize,
    condition: impl Fn(&Option<String>) -> bool,
) -> anyhow::Result<()> {
    let start = Instant::now();
    let path = routes::path(number);
    let mut connection = None;
    loop {
        if connection.is_none() {
            connection = Connection::open(listener, HOST).await.ok();
        }
        if let Some(open) = &mut connection {
            match open.get(&path).await {
                Ok(answer) if condition(&answer.service) => return Ok(()),
                Ok(_) => {}
                Err(_) => connection = None,
            }
        }
        ensure!(
            start.elapsed() < LIMIT,
            "{path} on {listener} did not change within {LIMIT:?}"
        );
        // Polling must not starve what it measures on two cores.
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
}

async fn current(listener: SocketAddr, number: usize) -> anyhow::Result<String> {
    let answer = Connection::open(listener, HOST)
        .await?
        .get(&routes::path(number))
        .await?;
    answer.service.context("no service answers")
}

/// Writes `count` new routes, each with a PUT of its own.
async fn put_all(api: SocketAddr, count: usize, connections: usize) -> anyhow::Result<()> {
    let writers = (0..connections).map(|writer| async move {
        let mut connection = Connection::open(api, "localhost").await?;
        for number in (writer..count).step_by(connections) {
            connection
                .put(&routes::url(number), &routes::route(number, SERVICES[0]))
                .await?;
        }
        Ok(())
    });
    join_all(writers.collect()).await?;
    Ok(())
}
