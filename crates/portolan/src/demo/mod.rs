//! `portolan demo`: a global, two zones and four Envoys on loopback, and what happens when one writes.
//!
//! ```text
//!                         global
//!                        ╱      ╲ KDS
//!                  zone-1        zone-2
//!              gw-1-1  gw-1-2  gw-2-1  gw-2-2    (the two of a zone share its port)
//!                frontend api    frontend api
//!              host-1: a pool with as many more gateway instances as the global says
//!              vault ─▶ bank-1: a gateway and a member in a mesh with mutual TLS
//! ```

mod elsewhere;
mod fleet;
mod members;
mod resources;
mod say;
mod steps;
mod traffic;

use std::process::ExitCode;

use clap::{Args as ClapArgs, ValueEnum};

use fleet::Fleet;
use say::Say;

/// Shows two zones with real Envoys following a global, on loopback.
#[derive(ClapArgs, Debug)]
#[command(after_help = "Examples:
  portolan demo
  portolan demo --store postgres --once")]
pub(crate) struct Args {
    /// What the global keeps its resources in; `postgres` starts one of its own, or takes $DATABASE_URL
    #[arg(long, default_value = "sqlite")]
    store: StoreChoice,

    /// Ends after the last step instead of waiting for Ctrl-C
    #[arg(long)]
    once: bool,
}

/// The stores of a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StoreChoice {
    Sqlite,
    Postgres,
}

/// Runs every step; 0 only if each one held.
pub(crate) async fn run(args: Args) -> ExitCode {
    let say = Say::new();
    let outcome = tokio::select! {
        outcome = show(&args, &say) => outcome,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say.failed(&error);
            ExitCode::FAILURE
        }
    }
}

async fn show(args: &Args, say: &Say) -> anyhow::Result<()> {
    let mut fleet = Fleet::start(args.store == StoreChoice::Postgres, say).await?;
    let held = walk(&mut fleet, say, args.once).await;
    if let Err(error) = &held {
        say.failed(error);
        fleet.keep_logs(say);
    }
    say.step("Stopping");
    fleet.stop().await?;
    say.done("everything is stopped");
    held
}

async fn walk(fleet: &mut Fleet, say: &Say, once: bool) -> anyhow::Result<()> {
    steps::write_once(fleet, say).await?;
    steps::ask_every_zone(fleet, say).await?;
    steps::change_a_route(fleet, say).await?;
    steps::scale(fleet, say).await?;
    members::connect_by_mutual_tls(fleet, say).await?;
    elsewhere::reach_another_zone(fleet, say).await?;
    steps::lose_the_global(fleet, say).await?;
    if once {
        return Ok(());
    }
    steps::invite(fleet, say);
    tokio::signal::ctrl_c().await?;
    Ok(())
}
