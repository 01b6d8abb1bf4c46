//! Which part of a route table Envoy walks for a request.

use std::sync::Arc;

use super::{answer::TableTaken, request::Seen};
use crate::{
    chart::{Chart, Fleet},
    envoy::arranged,
    layout::{Layout, Sizes},
    plan::{port::Chain, table::Route},
};

/// What Envoy walks of the routes of a chain's virtual host; nothing if there are none.
pub(super) fn taken(
    chart: &Chart,
    fleet: &Fleet,
    (chain, host): (&Chain, &str),
    routes: &[Arc<Route>],
    seen: &Seen,
) -> Option<TableTaken> {
    let sizes = sizes(chart, fleet, chain, host);
    match arranged(routes, sizes) {
        _ if routes.is_empty() => None,
        Layout::List => Some(TableTaken::List),
        Layout::Tree(tree) => {
            let leaf = tree.leaf(&seen.target.text());
            Some(TableTaken::Tree {
                leaf: leaf.map(|leaf| leaf.key.clone()),
                routes: leaf.map_or(&tree.default, |leaf| &leaf.routes).len(),
            })
        }
    }
}

/// A ProxyTemplate may need lists.
fn sizes(chart: &Chart, fleet: &Fleet, chain: &Chain, host: &str) -> Sizes {
    let sizes = Sizes::default();
    let Some(gateway) = &fleet.gateway else {
        return sizes;
    };
    let chosen = chart.for_proxies(&gateway.key.mesh, fleet);
    match chosen.template() {
        Some(template) => template.sizes(&chain.name, host, sizes),
        None => sizes,
    }
}
