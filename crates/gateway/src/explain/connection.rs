//! What becomes of a connection that is not read as HTTP.

use super::{
    answer::{ConnectionTaken, Outcome},
    backend::{Served, backend, served},
    policy,
};
use crate::{
    chart::{Chart, Fleet},
    plan::{
        port::{Chain, Tls},
        tcp::TcpTable,
    },
};

/// Who shares the connections of a chain, and what the client gets.
pub(super) fn connection(
    chart: &Chart,
    fleet: &Fleet,
    table: &TcpTable,
    chain: &Chain,
) -> (ConnectionTaken, Outcome) {
    let shares = table.shares();
    // A chain that carries no HTTP is of one listener.
    let source = chain.listeners.first().map(|listener| &listener.tags);
    let sum: f64 = shares.iter().map(|share| f64::from(share.weight)).sum();
    let backends: Vec<_> = shares
        .iter()
        .map(|share| {
            let weight = (share.weight, sum);
            let mut taken = backend(chart, fleet, &share.destination, &share.cluster, weight);
            if let Some(source) = source {
                let destination = share.destination.tags();
                taken.policies = policy::of_backend(&share.chosen, source, destination);
            }
            taken
        })
        .collect();
    let sent = match chain.tls {
        Tls::None => "its bytes go to a backend",
        Tls::Passthrough => "its bytes go to a backend, still in TLS",
        Tls::Terminate(_) | Tls::Mutual(_) => "TLS ends here and its bytes go to a backend",
    };
    let what = match served("connections", &backends) {
        Served::Nowhere(why) => format!("{why}; the connection is closed"),
        Served::Somewhere(None) => sent.to_owned(),
        Served::Somewhere(Some(lost)) => format!("{sent}; {lost}, the connection is closed"),
    };
    let routes = table.routes();
    let taken = ConnectionTaken {
        routes: routes
            .map(|route| route.author.display_name().to_owned())
            .collect(),
        policies: source
            .map(|source| policy::of_connections(table, source))
            .unwrap_or_default(),
        backends,
    };
    (taken, Outcome::nothing(what))
}
