//! `portolan dp run`.

use std::{fmt, path::PathBuf};

use anyhow::bail;
use clap::{Args as ClapArgs, ValueEnum};
use portolan_dataplane::run::{self, Phase, RunConfig};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{
    find_envoy,
    flags::{EnvoyArgs, ZoneArgs, read},
};
use crate::{
    server::tasks::Tasks,
    signals::{self, Diagnostics, OptionalBindAddress, Readiness, Sheet, Signals},
};

/// Runs an Envoy as one Dataplane of a zone, or as a ZoneIngress.
#[derive(ClapArgs, Debug)]
#[command(after_help = "Examples:
  portolan dp run --zone https://127.0.0.1:5678 --ca-cert ca.pem --dataplane-file gw.yaml --token-file token
  portolan dp run --zone https://zone:5678 --insecure --dataplane-file gw.yaml --dataplane-var name=gw-2
  portolan dp run --zone https://zone:5678 --proxy-type ingress --dataplane-file ingress.yaml --token-file token")]
pub(crate) struct Args {
    #[command(flatten)]
    zone: ZoneArgs,

    /// What the proxy is: of a Dataplane, or of a ZoneIngress, which lets other zones in
    #[arg(
        long,
        env = "PORTOLAN_PROXY_TYPE",
        default_value = "dataplane",
        value_name = "TYPE"
    )]
    proxy_type: ProxyType,

    /// The Dataplane or ZoneIngress, YAML or JSON; `-` reads standard input
    #[arg(
        long,
        short = 'd',
        env = "PORTOLAN_DATAPLANE_FILE",
        value_name = "FILE"
    )]
    dataplane_file: PathBuf,

    /// Fills `{{ NAME }}` in the Dataplane; may be repeated. `hostname` and `address`, from which the zone is
    /// reached, are known
    #[arg(long = "dataplane-var", value_parser = variable, value_name = "NAME=VALUE")]
    variables: Vec<(String, String)>,

    #[command(flatten)]
    envoy: EnvoyArgs,

    /// Folder for Envoy's configuration and admin socket [default: a temporary one]
    #[arg(long, env = "PORTOLAN_WORK_DIR", value_name = "DIR")]
    work_dir: Option<PathBuf>,

    #[command(flatten)]
    diagnostics: OptionalBindAddress,
}

/// What a proxy can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ProxyType {
    Dataplane,
    Ingress,
}

/// Runs until it is told to stop.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let cancel = CancellationToken::new();
    let (phase, phases) = watch::channel(Phase::default());
    let mut tasks = Tasks::new(cancel.clone());
    // Signals are there until Envoy has ended: a load balancer reads in them that it drains.
    let ended = CancellationToken::new();
    let diagnostics = Diagnostics::serve(args.diagnostics.bind()?, &mut tasks, &ended)?;
    if let Some(address) = diagnostics.address() {
        info!(diagnostics = %address, "signals are served");
    }
    let mut registry = signals::registry();
    registry.register_collector(Box::new(EnvoyMetrics(phases.clone())));
    diagnostics.tell(Signals {
        registry,
        readiness: Readiness::Envoy(phases.clone()),
    });
    let config = config(args).await?;
    tasks.spawn("log of phases", log_phases(phases));
    let ended = ended.drop_guard();
    tasks.spawn("data plane", async move {
        let _ended = ended;
        Ok(run::run(config, phase, cancel).await?)
    });
    tasks.run().await
}

/// What is known of the Envoy without asking it; Envoy has metrics of its own.
#[derive(Debug)]
struct EnvoyMetrics(watch::Receiver<Phase>);

impl Collector for EnvoyMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let is_live = matches!(*self.0.borrow(), Phase::Live { .. });
        Sheet::new(encoder).gauge(
            ("portolan_dp_envoy_live", None),
            "Whether Envoy runs and has had its first configuration",
            u64::from(is_live),
        )
    }
}

async fn config(args: Args) -> anyhow::Result<RunConfig> {
    Ok(RunConfig {
        trust: args.zone.trust()?,
        token: args.zone.token()?,
        zone_url: args.zone.zone,
        proxy_type: match args.proxy_type {
            ProxyType::Dataplane => run::ProxyType::Dataplane,
            ProxyType::Ingress => run::ProxyType::Ingress,
        },
        dataplane: read(&args.dataplane_file)?,
        variables: args.variables.into_iter().collect(),
        envoy: find_envoy(args.envoy.install).await?,
        work_dir: args.work_dir,
        drain_time: args.envoy.drain_time,
        drain_delay: args.envoy.drain_delay,
        concurrency: args.envoy.concurrency,
        max_heap_bytes: 0,
        log_level: args.envoy.envoy_log_level,
    })
}

async fn log_phases(mut phases: watch::Receiver<Phase>) -> anyhow::Result<()> {
    while phases.changed().await.is_ok() {
        match &*phases.borrow_and_update() {
            Phase::Live { admin, pid } => {
                info!(admin = %admin.display(), pid, "Envoy serves");
            }
            Phase::Draining => info!("draining"),
            Phase::Starting | Phase::Stopped => {}
        }
    }
    Ok(())
}

fn variable(text: &str) -> anyhow::Result<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => bail!("{text:?} is not NAME=VALUE"),
    }
}
