//! Requests through gateways with many routes: Portolan's, and others with the same table; TLS handshakes;
//! starts of instances.
//!
//! ```text
//!   core 1: wrk, backends          core 0: one contestant at a time
//!   Table ─┬─ Configuration ─ Control ─ ADS ─▶ Envoy, as a tree or as a list
//!          ├─ files ─▶ nginx
//!          └─ files ─▶ HAProxy
//! ```

mod backend;
mod bare;
mod changes;
mod configuration;
mod contestant;
mod control;
mod cores;
mod envoy;
mod handshakes;
mod haproxy;
mod kuma;
pub(crate) mod leaves;
mod load;
mod nginx;
mod random;
mod routes;
mod site;
mod start;
mod table;

use std::{path::PathBuf, time::Duration};

use clap::{Args as ClapArgs, ValueEnum};
use portolan_sandbox::Sandbox;

/// Measures requests, handshakes and starts.
#[derive(ClapArgs, Debug)]
pub(crate) struct Args {
    /// Numbers of routes, rising
    #[arg(long, value_delimiter = ',', default_value = "10,1000,10000")]
    sizes: Vec<usize>,

    /// Seconds of each load
    #[arg(long, default_value_t = 4)]
    seconds: u64,

    /// What to measure
    #[arg(long, value_delimiter = ',', default_value = "routes,bare,tls,start")]
    parts: Vec<Part>,

    /// The portolan binary
    #[arg(long, default_value = "target/release/portolan")]
    binary: PathBuf,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Requests by the number of routes, and what a change costs
    Routes,
    /// A minimal gateway beside a bare Envoy
    Bare,
    /// Handshakes with one and three instances
    Tls,
    /// The first answer of a new instance
    Start,
}

/// Measures the parts and prints a table for each.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let sandbox = Sandbox::new(&args.binary)?;
    let time = Duration::from_secs(args.seconds);
    let mut tables = Vec::new();
    for part in args.parts {
        tables.extend(match part {
            Part::Routes => routes::run(&sandbox, &args.sizes, time).await?,
            Part::Bare => vec![bare::run(&sandbox, time).await?],
            Part::Tls => vec![handshakes::run(&sandbox, time).await?],
            Part::Start => vec![start::run(&sandbox, &args.sizes).await?],
        });
    }
    for table in tables {
        table.print();
    }
    Ok(())
}
