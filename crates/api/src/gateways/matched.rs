//! Destinations of gateways, and the policies that are chosen for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use portolan_gateway::{
    chart::{Chart, Fleet, Passage, Way},
    plan::{
        destination::Destination, outbound::DelegatedInstance, permission::Permission,
        policy::Chosen,
    },
};
use portolan_model::{
    Kind, ResourceKey,
    kinds::{FAULT_INJECTION, RATE_LIMIT, TRAFFIC_PERMISSION},
    tags::Tags,
};
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
            .flat_map(|passage| hosts(chart, mesh, fleet, passage))
            .collect(),
    };
    ports.map(listener).collect()
}

fn hosts(chart: &Chart, mesh: &Arc<str>, fleet: &Fleet, passage: &Passage) -> Vec<Host> {
    let add = |source: Option<&Tags>, destination: &Arc<Destination>, to: &mut Vec<Matched>| {
        if to.iter().all(|one| one.destination != *destination) {
            let chosen = source.map(|source| chart.policies().choose(source, destination));
            let mut policies = keys(mesh, &chosen.unwrap_or_default());
            policies.extend(permissions(chart, mesh, &fleet.tags, destination));
            to.push(Matched {
                destination: destination.clone(),
                policies,
            });
        }
    };
    let table = match &passage.way {
        Way::Http(table) => table,
        Way::Tcp(table) => {
            let source = passage.chain.listeners.first().map(|one| &one.tags);
            let mut routes: BTreeMap<_, Vec<_>> = BTreeMap::new();
            for route in table.routes() {
                let destinations = routes.entry(route.author.name().clone()).or_default();
                let backends = route.backends.iter().map(|backend| &backend.destination);
                backends.for_each(|backend| add(source, backend, destinations));
            }
            let name = passage.chain.hostname.to_string();
            return vec![Host { name, routes }];
        }
    };
    let hosts = table.hosts().map(|(host, on_host)| {
        let mut routes: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for route in on_host {
            let destinations = routes.entry(route.entry.author.name().clone()).or_default();
            let source = Some(&route.listener.tags);
            let named = route.entry.action.destinations();
            named.for_each(|one| add(source, one, destinations));
        }
        Host {
            name: host.name.to_string(),
            routes,
        }
    });
    hosts.collect()
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

/// The keys of what was chosen, as far as it is done where it was chosen.
fn keys(mesh: &Arc<str>, chosen: &Chosen) -> Vec<ResourceKey> {
    let at_member = |kind| chosen.at_member && [RATE_LIMIT, FAULT_INJECTION].contains(&kind);
    let scopes = chosen.scopes().filter(|(kind, ..)| !at_member(*kind));
    scopes
        .map(|(kind, _, scope)| {
            ResourceKey::in_mesh(kind, mesh.clone(), scope.author.name().clone())
        })
        .collect()
}

/// The TrafficPermissions that let a Dataplane with tags `source` reach external services of a destination.
fn permissions(
    chart: &Chart,
    mesh: &Arc<str>,
    source: &Tags,
    destination: &Destination,
) -> BTreeSet<ResourceKey> {
    let externals = chart.externals();
    let of = externals.of(destination);
    let scopes = of.filter_map(|one| match externals.permission(one, source) {
        Permission::By(scope) => Some(scope),
        Permission::Unguarded | Permission::ForOthers(_) | Permission::Nobody => None,
    });
    let names = scopes.map(|scope| scope.author.name().clone());
    names
        .map(|name| ResourceKey::in_mesh(TRAFFIC_PERMISSION, mesh.clone(), name))
        .collect()
}

/// What the outbounds of a DELEGATED gateway or a member get: each policy, and what it is attached to.
pub(super) fn outbounds(
    chart: &Chart,
    mesh: &Arc<str>,
    instance: &DelegatedInstance,
) -> Vec<(ResourceKey, Value)> {
    let attached = instance.outbounds.iter().flat_map(|outbound| {
        let destination = &outbound.destination;
        let mut policies = keys(mesh, &chart.policies().choose(&instance.tags, destination));
        policies.extend(permissions(chart, mesh, &instance.tags, destination));
        let address = outbound.at.to_string();
        let attach = move |key: ResourceKey| {
            let attachment = attachment(key.kind, &address, destination.service());
            (key, attachment)
        };
        policies.into_iter().map(attach)
    });
    attached.collect()
}

/// What a policy is attached to at an outbound, in Kuma's words: these kinds shape the cluster, and
/// so the service, others one outbound.
fn attachment(kind: Kind, address: &str, service: &str) -> Value {
    match kind.name() {
        "CircuitBreaker" | "HealthCheck" | "Retry" => {
            json!({ "type": "service", "name": service, "service": service })
        }
        _ => json!({ "type": "outbound", "name": address, "service": service }),
    }
}
