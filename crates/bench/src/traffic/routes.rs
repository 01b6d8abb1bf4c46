//! Requests by the number of routes, for all contestants.

use std::time::Duration;

use portolan_gateway::layout::Sizes;
use portolan_sandbox::Sandbox;

use super::{
    backend::Backends,
    changes,
    configuration::Form,
    contestant::{Contestant, Kind},
    load,
    table::{Mix, Request, Table},
};
use crate::figures::{Grid, milliseconds};

/// Requests for routes at random, sent by turns.
const RANDOM: usize = 2000;
/// Changes measured.
const CHANGES: usize = 7;

/// Measures all contestants with all tables; requests, then what a change costs an Envoy.
pub(crate) async fn run(
    sandbox: &Sandbox,
    sizes: &[usize],
    time: Duration,
) -> anyhow::Result<Vec<Grid>> {
    let contestants = [
        ("Portolan", Kind::Envoy(Form::Portolan(Sizes::default()))),
        ("Envoy, Kuma's list", Kind::Envoy(Form::Kuma)),
        ("nginx", Kind::Nginx),
        ("HAProxy", Kind::HaProxy),
    ];
    let backends = Backends::start(sandbox).await?;
    let mut requests = Grid::new(&[
        "routes",
        "",
        "first route: requests/s / p50 ms / p99 ms / CPU µs",
        "a random one",
        "the last one",
    ]);
    let mut costs = Grid::new(&[
        "routes",
        "",
        "load, ms",
        "memory with it, MiB: in use / resident",
        "one change, ms min / median / p99",
        "CPU for it, ms min / median / p99",
        "memory after changes, MiB: in use / resident",
    ]);
    for mix in [Mix::Prefixes, Mix::Mixed] {
        for &size in sizes {
            let table = Table::new(mix, size);
            for (name, kind) in contestants {
                let mut contestant = Contestant::start(sandbox, kind, &table, &backends).await?;
                let what = [format!("{size}, {}", mix.name()), name.to_owned()];
                let mut row = what.to_vec();
                for list in positions(&table) {
                    row.push(under_load(sandbox, &mut contestant, &list, time).await?);
                }
                requests.row(row);
                costs.row(cost(&mut contestant, &what, size).await?);
                contestant.stop().await?;
            }
        }
    }
    Ok(vec![requests, costs])
}

/// Requests for the first route, for random ones, and for the last.
fn positions(table: &Table) -> [Vec<Request>; 3] {
    let last = table.rules.len() - 1;
    let random = table.random(RANDOM);
    [vec![table.request(0)], random, vec![table.request(last)]]
}

async fn under_load(
    sandbox: &Sandbox,
    contestant: &mut Contestant,
    requests: &[Request],
    time: Duration,
) -> anyhow::Result<String> {
    for request in requests.iter().take(100) {
        contestant.answers(request).await?;
    }
    let pid = contestant.pid()?;
    let outcome = load::put(sandbox, contestant.listener, requests, time, pid).await?;
    Ok(outcome.summary())
}

async fn cost(
    contestant: &mut Contestant,
    what: &[String; 2],
    size: usize,
) -> anyhow::Result<Vec<String>> {
    let mut row = what.to_vec();
    row.push(milliseconds(contestant.loading));
    row.push(memory(contestant).await?);
    if contestant.driver.is_some() {
        let costs = changes::measure(contestant, size / 2, CHANGES).await?;
        row.extend([costs.taken.summary(), costs.cpu.summary()]);
        row.push(memory(contestant).await?);
    } else {
        row.extend([String::new(), String::new(), String::new()]);
    }
    Ok(row)
}

async fn memory(contestant: &Contestant) -> anyhow::Result<String> {
    let resident = contestant.resident_mib()?;
    Ok(match &contestant.driver {
        Some(driver) => format!("{:.0} / {resident:.0}", driver.admin.allocated_mib().await?),
        None => format!("- / {resident:.0}"),
    })
}
