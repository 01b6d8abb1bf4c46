//! `portolan dp`: the data plane's side.

use std::{fmt, fs, io::Read, path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use portolan_dataplane::{
    envoy::{self, Envoy, Source},
    run::{self, Phase, RunConfig},
};
use portolan_identity::{Secret, tls::Trust};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    cli::print,
    server::{duration, tasks::Tasks},
    signals::{self, Diagnostics, OptionalBindAddress, Readiness, Sheet, Signals},
};

/// Runs gateway instances, BUILTIN or DELEGATED.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Runs an Envoy as one Dataplane of a zone
    Run(Box<RunArgs>),
    /// Installs Envoy into the cache folder, unless one is found, and prints where it is
    InstallEnvoy(InstallArgs),
}

/// Flags of `portolan dp run`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  portolan dp run --zone https://127.0.0.1:5678 --ca-cert ca.pem --dataplane-file gw.yaml --token-file token
  portolan dp run --zone https://zone:5678 --insecure --dataplane-file gw.yaml --dataplane-var name=gw-2")]
pub(crate) struct RunArgs {
    /// The zone's data plane port
    #[arg(long, env = "PORTOLAN_ZONE", value_name = "URL")]
    zone: String,

    /// CA certificate (PEM) of the zone [default: the system's]
    #[arg(long, env = "PORTOLAN_ZONE_CA", value_name = "FILE")]
    ca_cert: Option<PathBuf>,

    /// Does not verify the zone's certificate: for trials only
    #[arg(long, env = "PORTOLAN_ZONE_INSECURE", conflicts_with = "ca_cert")]
    insecure: bool,

    /// The Dataplane, YAML or JSON; `-` reads standard input
    #[arg(
        long,
        short = 'd',
        env = "PORTOLAN_DATAPLANE_FILE",
        value_name = "FILE"
    )]
    dataplane_file: PathBuf,

    /// Fills `{{ NAME }}` in the Dataplane; may be repeated
    #[arg(long = "dataplane-var", value_parser = variable, value_name = "NAME=VALUE")]
    variables: Vec<(String, String)>,

    /// File with the data plane's token
    #[arg(long, env = "PORTOLAN_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// The token itself; a file is safer, because other users may see arguments
    #[arg(
        long,
        env = "PORTOLAN_TOKEN",
        hide_env_values = true,
        conflicts_with = "token_file"
    )]
    token: Option<String>,

    #[command(flatten)]
    envoy: InstallArgs,

    /// Folder for Envoy's configuration and admin socket [default: a temporary one]
    #[arg(long, env = "PORTOLAN_WORK_DIR", value_name = "DIR")]
    work_dir: Option<PathBuf>,

    /// How long open connections may take to end when it stops
    #[arg(long, env = "PORTOLAN_DRAIN_TIME", default_value = "30s", value_parser = duration::parse)]
    drain_time: Duration,

    #[command(flatten)]
    diagnostics: OptionalBindAddress,

    /// Envoy's worker threads [default: one for each processor]
    #[arg(long, env = "PORTOLAN_CONCURRENCY", value_name = "COUNT")]
    concurrency: Option<u32>,

    /// What Envoy logs
    #[arg(
        long,
        env = "PORTOLAN_ENVOY_LOG_LEVEL",
        default_value = "warning",
        value_name = "LEVEL"
    )]
    envoy_log_level: String,
}

/// Where Envoy comes from.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct InstallArgs {
    /// The Envoy to run [default: $ENVOY_BIN, the one on PATH, or one that is installed into the cache]
    #[arg(long, value_name = "FILE")]
    envoy: Option<PathBuf>,

    /// Folder that Envoy is installed into [default: $PORTOLAN_CACHE, or portolan in the user's cache]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

/// Runs one of them.
pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run(args) => run_data_plane(*args).await,
        Command::InstallEnvoy(args) => {
            let envoy = find_envoy(args).await?;
            print(&envoy.path.display().to_string());
            Ok(())
        }
    }
}

/// Finds or installs an Envoy, with a log line for each step of an installation.
pub(crate) async fn find_envoy(args: InstallArgs) -> anyhow::Result<Envoy> {
    let source = Source::from_environment(args.envoy, args.cache);
    Ok(envoy::find_or_install(&source, &|step| info!("{step}")).await?)
}

async fn run_data_plane(args: RunArgs) -> anyhow::Result<()> {
    let cancel = CancellationToken::new();
    let (phase, phases) = watch::channel(Phase::default());
    let mut tasks = Tasks::new(cancel.clone());
    let diagnostics = Diagnostics::serve(args.diagnostics.bind()?, &mut tasks, &cancel)?;
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
    tasks.spawn("data plane", async move {
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

async fn config(args: RunArgs) -> anyhow::Result<RunConfig> {
    let trust = match (&args.ca_cert, args.insecure) {
        (_, true) => Trust::Insecure,
        (Some(path), _) => Trust::Authority(read(path)?),
        (None, _) => Trust::System,
    };
    let token = match (&args.token_file, args.token) {
        (Some(path), _) => Some(Secret::from(read(path)?.trim().to_owned())),
        (None, token) => token.map(Secret::from),
    };
    Ok(RunConfig {
        zone_url: args.zone,
        trust,
        dataplane: read(&args.dataplane_file)?,
        variables: args.variables.into_iter().collect(),
        token,
        envoy: find_envoy(args.envoy).await?,
        work_dir: args.work_dir,
        drain_time: args.drain_time,
        concurrency: args.concurrency,
        log_level: args.envoy_log_level,
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

fn read(path: &PathBuf) -> anyhow::Result<String> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read standard input")?;
        return Ok(text);
    }
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn variable(text: &str) -> anyhow::Result<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => bail!("{text:?} is not NAME=VALUE"),
    }
}
