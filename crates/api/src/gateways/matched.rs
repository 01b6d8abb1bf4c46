//! Destinations of gateways, and the policies that are chosen for them.

use std::{collections::BTreeMap, sync::Arc};

use portolan_gateway::{
    chart::{Chart, Fleet, Passage, Way},
    plan::{destination::Destination, policy::Chosen},
};
use portolan_model::{Kind, ResourceKey, tags::Tags};
use serde_json::{Value, json};

/// The ports of a gateway.
pub(super) struct Listener {
    pub(super) port: u16,
    pub(super) protocol: String,
    pub(super) hosts: Vec<Host>,
}

/// A virtual host, or a chain that carries no HTTP as its one host.
pub(super) struct Host {
    pub(super) name: String,
    /// By the names of MeshGatewayRoutes.
    pub(super) routes: BTreeMap<Arc<str>, Vec<Matched>>,
}

/// A destination of a route.
pub(super) struct Matched {
    pub(super) destination: Arc<Destination>,
    /// Kind and key of the policies for it.
    pub(super) policies: Vec<ResourceKey>,
}

/// The ports of a fleet, by number.
pub(super) fn listeners(chart: &Chart, mesh: &Arc<str>, fleet: &Fleet) -> Vec<Listener> {
    let passages = chart.passages(fleet);
    let ports = passages.chunk_by(|left, right| left.port.number == right.port.number);
    let listener = |chains: &[Passage]| Listener {
        port: chains[0].port.number,
        protocol: chains[0].port.protocol.to_string(),
        hosts: chains
            .iter()
            .flat_map(|passage| hosts(chart, mesh, passage))
            .collect(),
    };
    ports.map(listener).collect()
}

fn hosts(chart: &Chart, mesh: &Arc<str>, passage: &Passage) -> Vec<Host> {
    let table = match &passage.way {
        Way::Http(table) => table,
        Way::Tcp(table) => {
            let source = passage.chain.listeners.first().map(|one| &one.tags);
            let mut routes: BTreeMap<_, Vec<_>> = BTreeMap::new();
            for route in table.routes() {
                let destinations = routes.entry(route.author.name().clone()).or_default();
                let backends = route.backends.iter().map(|backend| &backend.destination);
                add(chart, mesh, source, backends, destinations);
            }
            let name = passage.chain.hostname.to_string();
            return vec![Host { name, routes }];
        }
    };
    let hosts = table.hosts().map(|(host, on_host)| {
        let mut routes: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for route in on_host {
            let destinations = routes.entry(route.entry.author.name().clone()).or_default();
            let (source, named) = (
                Some(&route.listener.tags),
                route.entry.action.destinations(),
            );
            add(chart, mesh, source, named, destinations);
        }
        Host {
            name: host.name.to_string(),
            routes,
        }
    });
    hosts.collect()
}

fn add<'a>(
    chart: &Chart,
    mesh: &Arc<str>,
    source: Option<&Tags>,
    destinations: impl Iterator<Item = &'a Arc<Destination>>,
    to: &mut Vec<Matched>,
) {
    for destination in destinations {
        if to.iter().any(|one| one.destination == *destination) {
            continue;
        }
        let chosen = source.map(|source| chart.policies().choose(source, destination));
        to.push(Matched {
            destination: destination.clone(),
            policies: keys(mesh, &chosen.unwrap_or_default()),
        });
    }
}

/// The policies for all proxies of a fleet that runs a MeshGateway.
pub(super) fn of_proxies(chart: &Chart, mesh: &Arc<str>, fleet: &Fleet) -> Vec<ResourceKey> {
    if fleet.gateway.is_none() {
        return Vec::new();
    }
    let chosen = chart.for_proxies(mesh, fleet);
    let keys = chosen
        .scopes()
        .map(|(kind, scope)| ResourceKey::in_mesh(kind, mesh.clone(), scope.author.name().clone()));
    keys.collect()
}

/// The keys of what was chosen.
pub(super) fn keys(mesh: &Arc<str>, chosen: &Chosen) -> Vec<ResourceKey> {
    let scopes = chosen.scopes();
    scopes
        .map(|(kind, _, scope)| {
            ResourceKey::in_mesh(kind, mesh.clone(), scope.author.name().clone())
        })
        .collect()
}

/// What a policy is attached to at a DELEGATED instance, in Kuma's words: these kinds shape the cluster, and
/// so the service, others one outbound.
pub(super) fn attachment(kind: Kind, address: &str, service: &str) -> Value {
    match kind.name() {
        "CircuitBreaker" | "HealthCheck" | "Retry" => {
            json!({ "type": "service", "name": service, "service": service })
        }
        _ => json!({ "type": "outbound", "name": address, "service": service }),
    }
}
