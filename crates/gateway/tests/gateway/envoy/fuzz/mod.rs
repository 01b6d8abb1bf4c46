//! Random route tables, and random requests for them: lists, trees and the reference over the plan agree in a
//! real Envoy. `make fuzz-routes` runs it for long.
//!
//! ```text
//!   seed ─▶ tables ─┬─▶ one Envoy: lists │ pairs │ trees │ small trees ─▶ answers ─┐
//!                   └─▶ the plan ─▶ reference ─▶ names of routes ──────────────────┴─▶ all the same, or a case
//! ```

// Whoever lets it run for long wants to see how far it is.
#![allow(clippy::print_stderr)]

mod ask;
mod case;
mod plan;
mod servers;
mod table;

use std::{env, thread, time::Instant};

use portolan_gateway::layout::Sizes;

use super::backends;
use crate::{
    generate::{draw, random},
    reference::Request,
};
use ask::{Seen, ask};
use case::Case;
use plan::{Expected, Plan};
use servers::{Servers, Shape, all_resources};
use table::{Part, Table, requests, table};

/// Requests, unless `PORTOLAN_FUZZ_REQUESTS` says otherwise.
const REQUESTS: usize = 3_000;
/// The seed, unless `PORTOLAN_FUZZ_SEED` says otherwise.
const SEED: u64 = 42;
/// Tables in one Envoy, and most requests for each.
const TABLES: usize = 30;
const REQUESTS_EACH: usize = 400;

/// How requests fared.
#[derive(Default)]
struct Comparison {
    /// Positions of those for which not all are the same, and what was seen.
    differ: Vec<(usize, String)>,
    /// How many were taken by a route.
    taken: usize,
}

#[test]
fn fuzz_routes() {
    if env::var_os("ENVOY_BIN").is_none() {
        return;
    }
    let given = |name: &str| env::var(name).ok().filter(|text| !text.is_empty());
    if let Some(file) = given("PORTOLAN_FUZZ_REPLAY") {
        return replay(&file);
    }
    let number = |name: &str| given(name).map(|text| text.parse::<u64>().expect("a number"));
    let seed = number("PORTOLAN_FUZZ_SEED").unwrap_or(SEED);
    let most = number("PORTOLAN_FUZZ_REQUESTS");
    let most = most.map_or(REQUESTS, |most| usize::try_from(most).unwrap());
    eprintln!("{most} requests, seed {seed}");
    let started = Instant::now();
    let echo = backends::echo_http();
    let (mut done, mut taken, mut trees) = (0, 0, 0);
    let mut random = random(seed);
    while done < most {
        let leaf = draw(&(1..12_usize), &mut random);
        let small = Sizes { list: leaf, leaf };
        let tables: Vec<Table> = (0..TABLES)
            .map(|number| table(number, leaf, &mut random))
            .collect();
        let each = ((most - done).div_ceil(TABLES)).min(REQUESTS_EACH);
        let asked = tables
            .iter()
            .map(|table| requests(table, each, &mut random));
        let asked: Vec<_> = asked.collect::<Vec<_>>().concat();
        let parts: Vec<Part> = tables
            .iter()
            .flat_map(|table| table.parts.clone())
            .collect();
        let servers = Servers::start(&parts, small, echo).expect("an Envoy");
        let compared = compare(&servers, &parts, echo, &asked);
        end_if_any(
            compared.differ.first(),
            &asked,
            &tables,
            small,
            (seed, echo),
        );
        done += asked.len();
        taken += compared.taken;
        trees += servers.trees[&Shape::Trees] + servers.trees[&Shape::SmallTrees];
        let seconds = started.elapsed().as_secs_f32();
        eprintln!("{done} requests, {taken} taken, {trees} tables were trees, {seconds:.0} s");
    }
    assert!(taken > done / 4, "only {taken} requests were taken at all");
    assert!(trees > 0, "no table was a tree");
}

/// If there is a difference, ends with the smallest that shows it.
fn end_if_any(
    differs: Option<&(usize, String)>,
    asked: &[(String, Request)],
    tables: &[Table],
    small: Sizes,
    (seed, echo): (u64, u16),
) {
    let Some((position, seen)) = differs else {
        return;
    };
    let (host, request) = asked[*position].clone();
    let of_host = |table: &&Table| table.hosts.contains(&host);
    let table = tables.iter().find(of_host).expect("a table");
    eprintln!("{host} {request:?}: {seen}");
    let case = Case {
        parts: table.parts.clone(),
        host,
        request,
        small,
        seen: seen.clone(),
    };
    let case = case.minimised(table, echo);
    let file = case.save(seed);
    panic!(
        "{}\nto see it again: make fuzz-routes REPLAY={}",
        case.seen,
        file.display()
    );
}

/// Sends requests to all layouts, and compares what comes back with each other and with the reference.
fn compare(
    servers: &Servers,
    parts: &[Part],
    echo: u16,
    asked: &[(String, Request)],
) -> Comparison {
    let answers: Vec<(Shape, Vec<Seen>)> = thread::scope(|scope| {
        let ports = servers.ports().iter();
        let threads: Vec<_> = ports
            .map(|(shape, port)| (*shape, scope.spawn(|| ask(servers, *port, asked))))
            .collect();
        let joined = threads.into_iter();
        joined
            .map(|(shape, thread)| (shape, thread.join().expect("answers")))
            .collect()
    });
    let resources = all_resources(servers.ports()[0].1, echo, parts);
    let plan = Plan::of(&resources, parts);
    let mut comparison = Comparison::default();
    for (position, (host, request)) in asked.iter().enumerate() {
        let expected = plan.expected(host, request);
        let first = &answers[0].1[position];
        let is_expected = match &expected {
            Expected::Route(name) => first.route.as_ref() == Some(name),
            Expected::Status(status) => first.status == *status && first.route.is_none(),
        };
        let same = answers.iter().all(|(_, seen)| seen[position] == *first);
        comparison.taken += usize::from(first.route.is_some());
        if !is_expected || !same {
            let seen = answers.iter();
            let seen = seen.map(|(shape, seen)| format!("\n{shape:?}: {:?}", seen[position]));
            let seen: String = seen.collect();
            let told = format!("reference: {expected:?}{seen}");
            comparison.differ.push((position, told));
        }
    }
    comparison
}

fn replay(file: &str) {
    let case = Case::read(file);
    let echo = backends::echo_http();
    let servers = Servers::start(&case.parts, case.small, echo).expect("an Envoy");
    let asked = [(case.host.clone(), case.request.clone())];
    let compared = compare(&servers, &case.parts, echo, &asked);
    eprintln!("{} {:?}", case.host, case.request);
    match compared.differ.first() {
        Some((_, seen)) => panic!("{seen}"),
        None => eprintln!("all are the same; before:\n{}", case.seen),
    }
}
