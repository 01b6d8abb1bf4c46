//! `portolan`: the one binary. Servers (`global`, `zone`), the data plane's side (`dp`), and the
//! commands of a user.

mod cli;
mod demo;
mod dp;
mod echo;
mod global;
mod health;
mod server;
mod signals;
mod version;
mod zone;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use server::logging::{self, LogFormat};

/// A table of routes is many small values, made by one thread and dropped by another. With glibc's allocator one of
/// 10,000 routes takes a fifth longer to compile, and one of 20,000 a third.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A multi-zone gateway control plane: written once on the global, served by Envoys in every zone.
#[derive(Parser, Debug)]
#[command(
    name = "portolan",
    version,
    propagate_version = true,
    max_term_width = 110
)]
pub(crate) struct Portolan {
    /// What is logged, as in `info` or `info,portolan_kds=debug`
    #[arg(
        long,
        env = "PORTOLAN_LOG",
        default_value = "info",
        global = true,
        value_name = "FILTER"
    )]
    log: String,

    /// How log lines look
    #[arg(
        long,
        env = "PORTOLAN_LOG_FORMAT",
        default_value = "text",
        global = true
    )]
    log_format: LogFormat,

    #[command(flatten)]
    client: cli::Globals,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Runs a global control plane
    Global(Box<global::Args>),
    /// Runs a zone control plane
    Zone(Box<zone::Args>),
    /// Runs a data plane: an Envoy that a zone configures
    #[command(subcommand)]
    Dp(dp::Command),
    /// Shows two zones with real Envoys following a global, on loopback
    Demo(demo::Args),
    /// Runs a small echo service, for the demo and for trials
    Echo(echo::Args),
    /// Asks a process whether it is ready, for health checks
    Health(health::Args),
    #[command(flatten)]
    Client(cli::Command),
}

fn main() -> ExitCode {
    let portolan = Portolan::parse();
    // For the HTTP client of the commands, which names no provider; the first one stays.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("cannot start")),
    };
    runtime.block_on(run(portolan))
}

async fn run(portolan: Portolan) -> ExitCode {
    let logs = || logging::start(&portolan.log, portolan.log_format);
    let ended = match portolan.command {
        Command::Client(command) => return cli::run(command, portolan.client).await,
        Command::Demo(args) => return demo::run(args).await,
        Command::Health(args) => health::run(args).await,
        Command::Global(args) => {
            logs();
            global::run(*args).await
        }
        Command::Zone(args) => {
            logs();
            zone::run(*args).await
        }
        Command::Dp(command) => {
            logs();
            dp::run(command).await
        }
        Command::Echo(args) => {
            logs();
            echo::run(args).await
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

#[allow(clippy::print_stderr)] // The last word of a process that cannot go on.
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("portolan: {error:#}");
    ExitCode::FAILURE
}
