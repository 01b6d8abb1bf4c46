//! Requests and loading times by the length of lists of routes: what `LIST_ROUTES` and `LEAF_ROUTES` of the
//! gateway crate are chosen by.

use std::{path::PathBuf, time::Duration};

use clap::Args as ClapArgs;
use portolan_gateway::layout::Sizes;
use portolan_sandbox::Sandbox;

use super::{
    backend::Backends,
    changes,
    configuration::Form,
    contestant::{Contestant, Kind},
    load,
    table::{Mix, Table},
};
use crate::figures::{Grid, milliseconds};

/// Measures lists of several lengths.
#[derive(ClapArgs, Debug)]
pub(crate) struct Args {
    /// Most routes of a leaf
    #[arg(long, value_delimiter = ',', default_value = "8,16,32,48,64,128")]
    leaves: Vec<usize>,

    /// Routes of the table
    #[arg(long, default_value_t = 10_000)]
    size: usize,

    /// Seconds of each load
    #[arg(long, default_value_t = 4)]
    seconds: u64,

    /// The portolan binary
    #[arg(long, default_value = "target/release/portolan")]
    binary: PathBuf,
}

/// Runs them and prints a table.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let sandbox = Sandbox::new(&args.binary)?;
    let backends = Backends::start(&sandbox).await?;
    let time = Duration::from_secs(args.seconds);
    let mut grid = Grid::new(&[
        "routes",
        "lists of",
        "last route: requests/s / p50 ms / p99 ms / CPU µs",
        "random ones",
        "load, ms",
        "CPU of one change, ms min / median / p99",
        "in use, MiB",
    ]);
    for mix in [Mix::Prefixes, Mix::Mixed] {
        let table = Table::new(mix, args.size);
        for &leaf in &args.leaves {
            let sizes = Sizes { list: leaf, leaf };
            measure(&sandbox, (&mut grid, time), (mix, &table), sizes, &backends).await?;
        }
        // One list of that length: where a tree begins to pay.
        for &length in &args.leaves {
            let table = Table::new(mix, length);
            measure(
                &sandbox,
                (&mut grid, time),
                (mix, &table),
                Sizes::LISTS,
                &backends,
            )
            .await?;
        }
    }
    grid.print();
    Ok(())
}

async fn measure(
    sandbox: &Sandbox,
    (grid, time): (&mut Grid, Duration),
    (mix, table): (Mix, &Table),
    sizes: Sizes,
    backends: &Backends,
) -> anyhow::Result<()> {
    let size = table.rules.len();
    let mut contestant =
        Contestant::start(sandbox, Kind::Envoy(Form::Portolan(sizes)), table, backends).await?;
    let (listener, pid) = (contestant.listener, contestant.pid()?);
    let lists = match sizes {
        Sizes::LISTS => "all".to_owned(),
        Sizes { leaf, .. } => leaf.to_string(),
    };
    let mut row = vec![format!("{size}, {}", mix.name()), lists];
    for requests in [vec![table.request(size - 1)], table.random(size.min(2000))] {
        let outcome = load::put(sandbox, listener, &requests, time, pid).await?;
        row.push(outcome.summary());
    }
    row.push(milliseconds(contestant.loading));
    let costs = changes::measure(&mut contestant, size / 2, 5).await?;
    row.push(costs.cpu.summary());
    if let Some(driver) = &contestant.driver {
        row.push(format!("{:.1}", driver.admin.allocated_mib().await?));
    }
    grid.row(row);
    contestant.stop().await
}
