//! Everything that decides where the requests of one mesh's gateways go, of all zones: what explanations,
//! diffs and lint look at. Kept change by change like a [`ZoneView`](crate::ZoneView), but without any
//! Envoy configuration, and a plain value: a copy with some changes is what would be.

mod certificates;
mod external;
mod fleet;
mod members;
mod passage;
mod remote;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

use portolan_model::{
    Resource, ResourceKey,
    kinds::{DATAPLANE, MESH, MESH_GATEWAY, MESH_GATEWAY_ROUTE, SECRET, ZONE, ZONE_INGRESS},
    labels,
    tags::{ANY, Tags},
};

pub use fleet::Fleet;
pub use passage::{Passage, Way};

use crate::{
    lint::Spots,
    plan::{
        dataplane::{Dataplane, GatewayInstance},
        destination::Destination,
        external::Externals,
        gateway::{self, Gateway},
        mtls::Mtls,
        outbound::DelegatedInstance,
        policy::Policies,
        port::{Listener, Protocol},
        proxy::{ForProxy, ProxyPolicies},
        route::{HttpRoute, Shared},
        services::Services,
        table::Routes,
        tcp::{TcpRoute, TcpRoutes},
    },
    support::unused,
    view::mesh_of,
};
use certificates::Certificates;
use remote::Elsewhere;

/// The charts of all meshes. A chart that is being read is copied before it changes, so readers need no lock.
#[derive(Clone, Debug)]
pub struct Charts {
    here: Arc<str>,
    meshes: BTreeMap<Arc<str>, Arc<Chart>>,
    /// The meshes that each ZoneIngress offers services of.
    offered: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// Zones that the others do not reach.
    disabled: Arc<BTreeSet<Arc<str>>>,
}

impl Charts {
    /// No resources yet. `here` is the zone of Dataplanes that do not say theirs: a zone's own name, or
    /// nothing on a global.
    pub fn new(here: &str) -> Self {
        Self {
            here: here.into(),
            meshes: BTreeMap::new(),
            offered: BTreeMap::new(),
            disabled: Arc::default(),
        }
    }

    /// Takes over a resource that was created or changed; other kinds are passed over.
    pub fn put(&mut self, resource: &Resource) {
        let key = &resource.key;
        if key.kind == ZONE_INGRESS {
            self.set_ingress(&key.name, Some(resource));
        } else if key.kind == ZONE {
            self.set_zone(&key.name, Some(resource));
        } else if Chart::knows(key) {
            let here = self.here.clone();
            self.chart(mesh_of(key)).put(resource, &here);
        }
    }

    /// The chart of a mesh, to change it.
    fn chart(&mut self, mesh: &Arc<str>) -> &mut Chart {
        let chart = self.meshes.entry(mesh.clone()).or_insert_with(|| {
            let mut chart = Chart::default();
            chart.elsewhere.disabled = self.disabled.clone();
            Arc::new(chart)
        });
        Arc::make_mut(chart)
    }

    /// Forgets a resource that was deleted.
    pub fn remove(&mut self, key: &ResourceKey) {
        if key.kind == ZONE_INGRESS {
            self.set_ingress(&key.name, None);
        } else if key.kind == ZONE {
            self.set_zone(&key.name, None);
        } else if let Some(chart) = self.meshes.get_mut(mesh_of(key))
            && Chart::knows(key)
        {
            Arc::make_mut(chart).remove(key);
        }
    }

    /// The chart of a mesh, as it is now; empty if nothing is known of the mesh.
    pub fn mesh(&self, mesh: &str) -> Arc<Chart> {
        self.meshes.get(mesh).cloned().unwrap_or_default()
    }

    /// The zone of Dataplanes that do not say theirs.
    pub fn here(&self) -> &str {
        &self.here
    }
}

/// The resources of one mesh, of all zones.
#[derive(Clone, Debug, Default)]
pub struct Chart {
    gateways: BTreeMap<Arc<str>, Arc<Gateway>>,
    pub(crate) routes: Routes,
    pub(crate) tcp_routes: TcpRoutes,
    certificates: Certificates,
    externals: Externals,
    mtls: Option<Mtls>,
    elsewhere: Elsewhere,
    policies: Policies,
    proxy_policies: ProxyPolicies,
    shared: Shared,
    dataplanes: BTreeMap<Arc<str>, Arc<Placed>>,
    services: BTreeMap<Arc<str>, Services>,
    /// Names of the gateway instances of a zone with these tags.
    members: BTreeMap<(Arc<str>, Tags), BTreeSet<Arc<str>>>,
    pub(crate) spots: Spots,
    /// Resources that gateways do not use.
    unused: BTreeSet<ResourceKey>,
    /// Made when asked for, gone with each change of a MeshGateway or a gateway instance.
    fleets: OnceLock<Arc<[Fleet]>>,
    listeners: OnceLock<Arc<[Offered]>>,
}

/// A listener, and what it speaks.
type Offered = (Protocol, Arc<Listener>);

/// A Dataplane and its zone.
#[derive(Debug)]
struct Placed {
    zone: Arc<str>,
    dataplane: Dataplane,
}

impl Chart {
    fn knows(key: &ResourceKey) -> bool {
        let own = [MESH_GATEWAY, MESH_GATEWAY_ROUTE, SECRET, DATAPLANE].contains(&key.kind);
        let policy = Policies::has(key.kind) || ProxyPolicies::has(key.kind);
        let unused = unused().any(|kind| kind == key.kind);
        own || policy || unused || external::is_of_chart(key.kind)
    }

    /// Takes over a resource that was created or changed; `here` as in [`Charts::new`].
    pub fn put(&mut self, resource: &Resource, here: &str) {
        self.put_external(resource);
        let name = &resource.key.name;
        if resource.key.kind == MESH {
            self.policies.set_mesh(Some(resource));
            self.set_mtls(Some(resource));
        }
        if resource.key.kind == MESH_GATEWAY {
            let gateway = Arc::new(Gateway::read(resource));
            self.gateways.insert(name.clone(), gateway);
            self.forget_fleets();
        } else if resource.key.kind == MESH_GATEWAY_ROUTE {
            self.remove_route(name);
            if let Some(route) = HttpRoute::read(resource, &mut self.shared) {
                self.spots.insert(&route);
                self.routes.insert(name.clone(), Arc::new(route));
            } else if let Some(route) = TcpRoute::read(resource, &mut self.shared) {
                self.tcp_routes.insert(name.clone(), Arc::new(route));
            }
        } else if resource.key.kind == SECRET {
            self.certificates.insert(resource);
        } else if resource.key.kind == DATAPLANE {
            self.remove_dataplane(name);
            let zone = resource
                .labels
                .get(labels::ZONE)
                .map_or(here, String::as_str);
            self.add_dataplane(name, zone.into(), Dataplane::read(resource, zone));
        } else if ProxyPolicies::has(resource.key.kind) {
            self.proxy_policies.put(resource);
        } else if Policies::has(resource.key.kind) {
            self.policies.put(resource);
        } else if unused().any(|kind| kind == resource.key.kind) {
            self.unused.insert(resource.key.clone());
        }
    }

    /// Forgets a resource that was deleted.
    pub fn remove(&mut self, key: &ResourceKey) {
        self.remove_external(key);
        if key.kind == MESH {
            self.policies.set_mesh(None);
            self.set_mtls(None);
        }
        if key.kind == MESH_GATEWAY {
            self.gateways.remove(&key.name);
            self.forget_fleets();
        } else if key.kind == MESH_GATEWAY_ROUTE {
            self.remove_route(&key.name);
        } else if key.kind == SECRET {
            self.certificates.remove(&key.name);
        } else if key.kind == DATAPLANE {
            self.remove_dataplane(&key.name);
        } else if ProxyPolicies::has(key.kind) {
            self.proxy_policies.remove(key);
        } else if Policies::has(key.kind) {
            self.policies.remove(key);
        } else {
            self.unused.remove(key);
        }
    }

    fn remove_route(&mut self, name: &str) {
        self.tcp_routes.remove(name);
        if let Some(route) = self.routes.get(name).cloned() {
            self.spots.remove(&route);
            self.routes.remove(name);
        }
    }

    fn add_dataplane(&mut self, name: &Arc<str>, zone: Arc<str>, dataplane: Dataplane) {
        let services = self.services.entry(zone.clone()).or_default();
        services.insert(name, &dataplane.instances);
        for instance in &dataplane.instances {
            self.place_policies(instance.service());
        }
        if let Some(gateway) = dataplane.builtin() {
            let members = self.members.entry((zone.clone(), gateway.tags.clone()));
            members.or_default().insert(name.clone());
            self.forget_fleets();
        }
        let placed = Arc::new(Placed { zone, dataplane });
        self.dataplanes.insert(name.clone(), placed);
    }

    fn remove_dataplane(&mut self, name: &Arc<str>) {
        let Some(placed) = self.dataplanes.remove(name) else {
            return;
        };
        if let Some(services) = self.services.get_mut(&placed.zone) {
            services.remove(name, &placed.dataplane.instances);
        }
        for instance in &placed.dataplane.instances {
            self.place_policies(instance.service());
        }
        if let Some(gateway) = placed.dataplane.builtin() {
            let group = (placed.zone.clone(), gateway.tags.clone());
            if let Some(members) = self.members.get_mut(&group) {
                members.remove(name);
                if members.is_empty() {
                    self.members.remove(&group);
                }
            }
            self.forget_fleets();
        }
    }

    /// Finds out anew who acts on requests to a service.
    pub(super) fn place_policies(&mut self, service: &str) {
        let zones = self.services.values();
        self.policies
            .place
            .set_service(service, zones, self.elsewhere.services(), &self.externals);
    }

    /// All MeshGateways, by name.
    pub fn gateways(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Gateway>)> {
        self.gateways.iter()
    }

    /// The MeshGateway of that name.
    pub fn gateway(&self, name: &str) -> Option<&Arc<Gateway>> {
        self.gateways.get(name)
    }

    /// The MeshGateway of that name, or that its author called so: sync changes names.
    pub fn gateway_called(&self, name: &str) -> Option<&Arc<Gateway>> {
        let called = || {
            self.gateways
                .values()
                .find(|gateway| *gateway.name == *name)
        };
        self.gateways.get(name).or_else(called)
    }

    /// The connection policies.
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// What is chosen for the proxies of a fleet in this mesh.
    pub fn for_proxies(&self, mesh: &Arc<str>, fleet: &Fleet) -> ForProxy {
        self.proxy_policies.choose(mesh, &fleet.tags)
    }

    /// Resources of kinds that gateways do not use.
    pub(crate) fn unused(&self) -> impl Iterator<Item = &ResourceKey> {
        self.unused.iter()
    }

    /// The services of a zone; nothing if the zone has no Dataplanes.
    pub fn services(&self, zone: &str) -> Option<&Services> {
        self.services.get(zone)
    }

    /// Whether some zone has an instance of a destination, healthy or not, or the world outside has one.
    pub(crate) fn has_instances(&self, destination: &Destination) -> bool {
        self.has_members(destination)
            || self.externals.of(destination).next().is_some()
            || self.is_elsewhere(destination)
    }

    fn has_members(&self, destination: &Destination) -> bool {
        let mut zones = self.services.values();
        zones.any(|services| services.instances(destination).next().is_some())
    }

    /// All gateway instances, by zone and tags.
    pub fn fleets(&self) -> &[Fleet] {
        self.fleets.get_or_init(|| {
            let fleets = self.members.iter().map(|((zone, tags), names)| {
                let gateway = gateway::select(self.gateways.values(), tags);
                let dataplanes = names.iter().cloned().collect();
                Fleet::new(Some(zone.clone()), tags.clone(), dataplanes, gateway)
            });
            fleets.collect()
        })
    }

    /// All listeners of all MeshGateways, wherever they run, or would run, with what they speak.
    pub(crate) fn listeners(&self) -> &[Offered] {
        self.listeners.get_or_init(|| {
            let gateways = self.gateways.values();
            let fleets: Vec<_> = gateways
                .flat_map(|gateway| self.fleets_of(gateway))
                .collect();
            let listeners = fleets.iter().flat_map(Fleet::listeners);
            listeners
                .map(|(protocol, listener)| (protocol, listener.clone()))
                .collect()
        })
    }

    fn forget_fleets(&mut self) {
        self.fleets.take();
        self.listeners.take();
    }

    /// The gateway instances with a gateway of their own in front, by name.
    pub fn delegated(&self) -> impl Iterator<Item = (&Arc<str>, &DelegatedInstance)> {
        let dataplanes = self.dataplanes.iter();
        dataplanes.filter_map(|(name, placed)| match placed.dataplane.gateway.as_ref()? {
            GatewayInstance::Delegated(instance) => Some((name, &**instance)),
            GatewayInstance::Builtin(_) => None,
        })
    }

    /// The fleet that a gateway instance belongs to; nothing if there is no such instance.
    pub fn fleet_of(&self, dataplane: &str) -> Option<&Fleet> {
        let placed = self.dataplanes.get(dataplane)?;
        let tags = &placed.dataplane.builtin()?.tags;
        let zone = Some(&placed.zone);
        let mut fleets = self.fleets().iter();
        fleets.find(|fleet| fleet.zone.as_ref() == zone && fleet.tags == *tags)
    }

    /// The fleets that run a MeshGateway. If none does, one that does not exist: instances with the tags
    /// of its first selector.
    pub fn fleets_of(&self, gateway: &Arc<Gateway>) -> Vec<Fleet> {
        let runs = |fleet: &&Fleet| {
            let own = fleet.gateway.as_ref();
            own.is_some_and(|own| own.key == gateway.key)
        };
        let fleets: Vec<_> = self.fleets().iter().filter(runs).cloned().collect();
        if !fleets.is_empty() {
            return fleets;
        }
        let selector = gateway.selectors().next().into_iter().flatten();
        let exact = selector.filter(|(_, value)| *value != ANY);
        let tags = exact
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        vec![Fleet::new(None, tags, Vec::new(), Some(gateway))]
    }
}
