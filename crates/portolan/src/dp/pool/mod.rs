//! `portolan dp pool`: as many gateway instances on this host as the zone assigns to it.
//!
//! ```text
//!   zone 5678 ◀─ status ── link ─ assignment ─▶ crew ─ starts, drains ─▶ instances ─▶ Envoys
//!                            ▲                   │ ▲                         │
//!                            └──── status ───────┘ └── phases, failures ─────┘
//! ```
//!
//! All Envoys are children of this process and share the listeners' addresses and ports (`SO_REUSEPORT`).
//! While the zone is away the last assignment holds. When this process is killed the kernel kills its
//! Envoys, so that whoever takes over never meets an instance that nobody watches.

mod crew;
mod instance;
mod link;
mod steps;

use std::{net::IpAddr, path::PathBuf};

use anyhow::ensure;
use clap::Args as ClapArgs;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{
    find_envoy,
    flags::{EnvoyArgs, ZoneArgs},
};
use crate::{
    server::tasks::Tasks,
    signals::{self, Diagnostics, OptionalBindAddress, Readiness, Signals},
};
use crew::Crew;
use instance::Host;
use link::Link;

/// Runs as many gateway instances on this host as its zone assigns to it.
#[derive(ClapArgs, Debug)]
#[command(after_help = "Example:
  portolan dp pool --zone https://zone:5678 --ca-cert ca.pem --token-file token --name host-1 --address 10.0.0.5")]
pub(crate) struct Args {
    #[command(flatten)]
    zone: ZoneArgs,

    /// Name of this pool, unique in its zone; the instances' names end with it
    #[arg(long, env = "PORTOLAN_POOL_NAME", value_name = "HOST")]
    name: String,

    /// Address of this host that the gateways listen on
    #[arg(long, env = "PORTOLAN_POOL_ADDRESS", value_name = "IP")]
    address: IpAddr,

    #[command(flatten)]
    envoy: EnvoyArgs,

    /// Folder for a folder of each instance [default: temporary ones]
    #[arg(long, env = "PORTOLAN_WORK_DIR", value_name = "DIR")]
    work_dir: Option<PathBuf>,

    #[command(flatten)]
    diagnostics: OptionalBindAddress,
}

/// Runs until it is told to stop, and then until all instances have ended.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    ensure!(
        !args.address.is_unspecified(),
        "--address {} is no address that Dataplanes may have; give one of this host's",
        args.address
    );
    let cancel = CancellationToken::new();
    let mut tasks = Tasks::new(cancel.clone());
    let diagnostics = Diagnostics::serve(args.diagnostics.bind()?, &mut tasks, &cancel)?;
    let host = Host {
        pool: args.name,
        address: args.address,
        trust: args.zone.trust()?,
        token: args.zone.token()?,
        zone_url: args.zone.zone,
        envoy: find_envoy(args.envoy.install).await?,
        work_dir: args.work_dir,
        drain_time: args.envoy.drain_time,
        drain_delay: args.envoy.drain_delay,
        concurrency: args.envoy.concurrency,
        log_level: args.envoy.envoy_log_level,
    };
    diagnostics.tell(Signals {
        registry: signals::registry(),
        readiness: Readiness::Alone,
    });
    info!(
        pool = host.pool,
        zone = host.zone_url,
        address = %host.address,
        "pool starts"
    );
    let status = watch::Sender::new(crew::first_status(&host.pool));
    let assignments = watch::Sender::new(None);
    // The zone hears of the instances until the last has ended.
    let all_ended = CancellationToken::new();
    let link = Link::new(&host, status.subscribe(), assignments.clone())?;
    let crew = Crew::new(host, status);
    let ended = all_ended.clone();
    tasks.spawn("link to the zone", link.run(ended));
    tasks.spawn("instances", async move {
        crew.run(assignments.subscribe(), &cancel).await;
        all_ended.cancel();
        Ok(())
    });
    tasks.run().await
}
