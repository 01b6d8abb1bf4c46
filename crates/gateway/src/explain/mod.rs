//! Why a request goes where it goes.
//!
//! ```text
//!   Request ─▶ entrance: port ─▶ chain, by SNI ─┬─▶ host ─▶ its routes in order, by the target in Envoy's
//!                                               │           │ one spelling; evaluate: one entry
//!                                               └─▶ the backends that share its connections
//!   Explanation ◀─ listener, host, routes tried, the one taken, backends ◀──┘
//! ```
//!
//! The tables walked are those that are compiled for Envoy ([`Chart::passages`]); nothing is chosen here a
//! second time but who takes a connection, and whether one entry takes one request.

mod admission;
mod answer;
mod backend;
mod connection;
mod decision;
mod entrance;
pub(crate) mod evaluate;
mod expression;
mod external;
mod location;
mod policy;
mod request;
mod table;
mod target;
mod tries;
pub mod words;

use std::sync::Arc;

pub use answer::{
    AdmissionTaken, Answer, BackendTaken, ConnectionTaken, Explanation, ExternalTaken, Failed,
    HostTaken, ListenerTaken, OtherZone, Outcome, Place, PolicyTaken, RouteTaken, TableTaken,
    TlsTaken, Tried,
};
pub use request::{Rejected, Request};
pub use target::{Malformed, Target};

use crate::{
    chart::{Chart, Fleet, Passage, Way},
    envoy::NO_ROUTES,
    plan::{hosts::Host, table::Route},
};
use connection::connection;
use decision::decision;
use entrance::Entrance;
use evaluate::miss;
use request::Seen;
use tries::Tries;

/// Most answers of gateway instances with different tags.
const MOST_ANSWERS: usize = 50;

/// Where a request to this MeshGateway goes, in the zones where it has instances or in `zone` alone.
/// Nothing if there is no such MeshGateway.
pub fn explain(
    chart: &Chart,
    gateway: &str,
    request: &Request,
    zone: Option<&str>,
) -> Option<Explanation> {
    let gateway = chart.gateway_called(gateway)?;
    let mut fleets = chart.fleets_of(gateway);
    let unused: Vec<_> = chart.unused().map(ToString::to_string).collect();
    let mut explanation = Explanation {
        mesh: gateway.key.mesh.to_string(),
        gateway: gateway.name.to_string(),
        target: None,
        notes: match unused.is_empty() {
            true => Vec::new(),
            false => vec![format!("gateways do not use {}", unused.join(", "))],
        },
        answers: Vec::new(),
        more_answers: 0,
    };
    if fleets.iter().all(|fleet| fleet.zone.is_none()) {
        let note = "no Dataplane runs this MeshGateway: explained for one with the tags of its first \
                    selector, without instances of services";
        explanation.notes.push(note.to_owned());
    } else if let Some(zone) = zone {
        fleets.retain(|fleet| fleet.zone.as_deref() == Some(zone));
        if fleets.is_empty() {
            let note = format!("no Dataplane of zone {zone} runs this MeshGateway");
            explanation.notes.push(note);
        }
    }
    explanation.more_answers = fleets.len().saturating_sub(MOST_ANSWERS);
    fleets.truncate(MOST_ANSWERS);
    let seen = Seen::of(request);
    let answers = fleets
        .iter()
        .map(|fleet| answer(chart, fleet, request, &seen));
    explanation.answers = answers.collect();
    let is_read = |answer: &Answer| answer.connection.is_none();
    if let Ok(seen) = &seen
        && explanation.answers.iter().any(is_read)
    {
        explanation.target = Some(seen.target.text());
        if seen.target.redirected {
            let note = format!(
                "the path has escaped slashes: the client is sent to {} with 307 first; what follows is \
                 for that path",
                seen.target.text()
            );
            explanation.notes.push(note);
        }
    }
    Some(explanation)
}

fn empty(fleet: &Fleet, outcome: Outcome) -> Answer {
    Answer {
        zone: fleet.zone.as_deref().map(str::to_owned),
        tags: fleet.tags.clone(),
        instances: fleet.dataplanes.len(),
        listener: None,
        host: None,
        connection: None,
        route: None,
        tried: Vec::new(),
        more_tried: 0,
        outcome,
    }
}

fn answer(
    chart: &Chart,
    fleet: &Fleet,
    request: &Request,
    seen: &Result<Seen, Rejected>,
) -> Answer {
    let passages = chart.passages(fleet);
    let entrance = match entrance::choose(&passages, request) {
        Ok(entrance) => entrance,
        Err(outcome) => return empty(fleet, outcome),
    };
    let mut answer = at(&entrance, fleet, request, seen, chart);
    let policies = policy::of_proxies(chart, fleet);
    if let Some(listener) = &mut answer.listener {
        listener.policies = policies;
    }
    answer
}

fn at(
    entrance: &Entrance<'_>,
    fleet: &Fleet,
    request: &Request,
    seen: &Result<Seen, Rejected>,
    chart: &Chart,
) -> Answer {
    let passage = entrance.passage;
    let mut answer = empty(fleet, Outcome::nothing(""));
    answer.listener = Some(entrance.told(passage.chain.hostname.to_string(), request));
    if let Some(outcome) = entrance.closed() {
        answer.outcome = outcome;
        return answer;
    }
    match (&passage.way, seen) {
        (Way::Tcp(table), _) => {
            let (taken, outcome) = connection(chart, fleet, table, &passage.chain);
            answer.connection = Some(taken);
            answer.outcome = outcome;
        }
        (Way::Http(_), Err(rejected)) => {
            answer.outcome = Outcome::status(400, rejected.to_string());
        }
        (Way::Http(_), Ok(seen)) => {
            let seen = seen.over(passage.port.protocol);
            if let Some((host, _)) = host(passage, &seen) {
                let hostname = &passage.chain.listeners[host.listener].hostname;
                answer.listener = Some(entrance.told(hostname.to_string(), request));
            }
            read(chart, fleet, passage, &seen, &mut answer);
        }
    }
    answer
}

/// What becomes of a request on a connection that a chain takes.
fn read(chart: &Chart, fleet: &Fleet, passage: &Passage, seen: &Seen, answer: &mut Answer) {
    let Some((host, routes)) = host(passage, seen) else {
        let what = if passage.port.protocol.is_encrypted() {
            let hostname = &passage.chain.hostname;
            format!(
                "listener {hostname}, which the SNI chose, does not serve this host; Envoy's own 404"
            )
        } else {
            let number = passage.port.number;
            format!("no listener of port {number} takes this host; Envoy's own 404")
        };
        answer.outcome = Outcome::status(404, what);
        return;
    };
    answer.host = Some(HostTaken {
        hostname: host.name.to_string(),
        routes: routes.len(),
        table: table::taken(chart, fleet, (&passage.chain, &host.name), routes, seen),
    });
    if routes.is_empty() {
        answer.outcome = Outcome::status(404, "this host has no routes");
        answer.outcome.body = Some(NO_ROUTES.to_owned());
        return;
    }
    let (taken, tried) = walk(routes, seen);
    (answer.tried, answer.more_tried) = tried.finish();
    let Some(position) = taken else {
        answer.outcome = Outcome::status(404, "no route takes the request; Envoy's own 404");
        return;
    };
    let (route, outcome) = decision(chart, fleet, &routes[position], position, seen);
    answer.route = Some(route);
    answer.outcome = outcome;
}

fn host<'a>(passage: &'a Passage, seen: &Seen) -> Option<(&'a Host, &'a [Arc<Route>])> {
    let host = seen.bare_host();
    passage
        .hosts()
        .find(|(candidate, _)| candidate.hostname.matches(host))
}

/// The position of the route that takes the request, and what was tried before it.
fn walk(routes: &[Arc<Route>], seen: &Seen) -> (Option<usize>, Tries) {
    let mut tried = Tries::default();
    // Envoy's routes take no CONNECT, unless they ask for it, which ours never do.
    let connect = seen.method == "CONNECT";
    for (position, route) in routes.iter().enumerate() {
        match miss(&route.entry.matching, seen) {
            Some(miss) => tried.add(position, route, &miss, seen),
            None if connect => {}
            None => return (Some(position), tried),
        }
    }
    (None, tried)
}

fn place(position: usize, route: &Route) -> Place {
    Place {
        position: position + 1,
        name: route.entry.author.display_name().to_owned(),
        rule: route.entry.rule,
        r#match: route.entry.position,
        conditions: words::conditions(&route.entry.matching),
    }
}
