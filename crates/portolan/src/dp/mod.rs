//! `portolan dp`: the data plane's side.

mod flags;
mod pool;
mod run;

use clap::{Args, Subcommand};
use portolan_dataplane::envoy::{self, Envoy, Source};
use tracing::info;

use crate::cli::print;

/// Runs gateway instances, BUILTIN or DELEGATED.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Runs an Envoy as one Dataplane of a zone
    Run(Box<run::Args>),
    /// Runs as many gateway instances on this host as its zone assigns to it
    ///
    /// The zone spreads the replicas of each MeshGatewayInstance evenly over its pools. The instances of a
    /// host share the ports of its address. The token is that of a data plane without a name:
    /// `portolan token dataplane --tag kuma.io/service=edge-gateway`.
    Pool(Box<pool::Args>),
    /// Installs Envoy into the cache folder, unless one is found, and prints where it is
    InstallEnvoy(InstallArgs),
}

/// Where Envoy comes from.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct InstallArgs {
    /// The Envoy to run [default: $ENVOY_BIN, the one on PATH, or one that is installed into the cache]
    #[arg(long, value_name = "FILE")]
    envoy: Option<std::path::PathBuf>,

    /// Folder that Envoy is installed into [default: $PORTOLAN_CACHE, or portolan in the user's cache]
    #[arg(long, value_name = "DIR")]
    cache: Option<std::path::PathBuf>,
}

/// Runs one of them.
pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run(args) => run::run(*args).await,
        Command::Pool(args) => pool::run(*args).await,
        Command::InstallEnvoy(args) => {
            let envoy = find_envoy(args).await?;
            print(&envoy.path.display().to_string());
            Ok(())
        }
    }
}

/// Finds or installs an Envoy, with a log line for each step of an installation.
async fn find_envoy(args: InstallArgs) -> anyhow::Result<Envoy> {
    let source = Source::from_environment(args.envoy, args.cache);
    Ok(envoy::find_or_install(&source, &|step| info!("{step}")).await?)
}
