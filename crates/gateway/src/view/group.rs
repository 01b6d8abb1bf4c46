//! Gateway instances with equal tags: one MeshGateway, one set of routes and clusters for all.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    mem,
    net::IpAddr,
    sync::Arc,
};

use portolan_model::{
    ResourceKey,
    kinds::DATAPLANE,
    tags::{SERVICE, Tags},
};

use super::{Sources, clusters::Clusters};
use crate::{
    compiled::{Compiled, Resources},
    envoy::{self, Encoded},
    fault::{Fault, Reason},
    plan::{
        gateway::{self, Gateway, Port},
        table::RouteTable,
    },
};

/// One group and what was compiled for it.
#[derive(Debug)]
pub(super) struct Group {
    tags: Tags,
    /// Addresses of its instances, by the names of their Dataplanes.
    members: BTreeMap<Arc<str>, String>,
    stale: Stale,
    gateway: Option<Arc<Gateway>>,
    /// Faults of the MeshGateway itself.
    gateway_faults: Vec<Fault>,
    tables: Vec<RouteTable>,
    clusters: Clusters,
    route_configurations: Resources,
    runtime: Resources,
    faults: Arc<[Fault]>,
    /// Listeners by the address that they bind to.
    listeners: HashMap<String, Resources>,
    /// What instances at an address get; emptied when anything changes.
    compiled: HashMap<String, Arc<Compiled>>,
}

/// What changed since the group was compiled.
#[derive(Debug, Default)]
struct Stale {
    gateways: bool,
    routes: BTreeSet<Arc<str>>,
    services: BTreeSet<Box<str>>,
}

impl Stale {
    fn is_nothing(&self) -> bool {
        !self.gateways && self.routes.is_empty() && self.services.is_empty()
    }
}

impl Group {
    /// A group without instances, not compiled yet.
    pub(super) fn new(tags: Tags) -> Self {
        Self {
            tags,
            members: BTreeMap::new(),
            stale: Stale {
                gateways: true,
                ..Stale::default()
            },
            gateway: None,
            gateway_faults: Vec::new(),
            tables: Vec::new(),
            clusters: Clusters::default(),
            route_configurations: Resources::default(),
            runtime: one(envoy::RUNTIME.into(), envoy::runtime(std::iter::empty())),
            faults: Arc::default(),
            listeners: HashMap::new(),
            compiled: HashMap::new(),
        }
    }

    /// Adds an instance.
    pub(super) fn join(&mut self, name: &Arc<str>, address: &str) {
        self.members.insert(name.clone(), address.to_owned());
    }

    /// Removes an instance, and what only it needed.
    pub(super) fn leave(&mut self, name: &str) {
        if let Some(address) = self.members.remove(name)
            && !self.members.values().any(|other| *other == address)
        {
            self.listeners.remove(&address);
            self.compiled.remove(&address);
        }
    }

    /// Whether no instance is left.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Some MeshGateway of the mesh changed.
    pub(super) fn gateways_changed(&mut self) {
        self.stale.gateways = true;
    }

    /// The route of this name changed.
    pub(super) fn route_changed(&mut self, name: &Arc<str>) {
        // Without tables nothing depends on routes; the first table takes all there are.
        if !self.tables.is_empty() {
            self.stale.routes.insert(name.clone());
        }
    }

    /// Instances of these services changed.
    pub(super) fn services_changed(&mut self, services: &BTreeSet<&str>) {
        for service in services {
            if self.clusters.has_service(service) {
                self.stale.services.insert((*service).into());
            }
        }
    }

    /// The configuration of the instances at this address.
    pub(super) fn compile(
        &mut self,
        address: &str,
        mesh: &Arc<str>,
        sources: &Sources,
        zone: &str,
    ) -> Arc<Compiled> {
        if self.refresh(sources, zone) {
            self.compiled.clear();
        }
        if let Some(compiled) = self.compiled.get(address) {
            return compiled.clone();
        }
        let compiled = Arc::new(self.assemble(address, mesh));
        self.compiled.insert(address.to_owned(), compiled.clone());
        compiled
    }

    /// Takes over what changed; whether that made a difference.
    fn refresh(&mut self, sources: &Sources, zone: &str) -> bool {
        let stale = mem::take(&mut self.stale);
        if stale.is_nothing() {
            return false;
        }
        let reselected = stale.gateways && self.select_gateway(sources);
        let mut changed = reselected;
        let mut clusters_changed = reselected;
        // New tables have taken all routes as they are now.
        if !reselected && !stale.routes.is_empty() {
            for position in 0..self.tables.len() {
                let changes = self.tables[position].update(&sources.routes, &stale.routes);
                clusters_changed |= changes.clusters;
                changed |= changes.routes && self.encode_table(position);
            }
        }
        if clusters_changed {
            let needed = self.tables.iter().flat_map(RouteTable::clusters);
            changed |= self.clusters.keep(needed, &sources.services, zone);
        }
        changed |= self
            .clusters
            .update(&stale.services, &sources.services, zone);
        self.collect_faults() | changed
    }

    /// Chooses the MeshGateway, and starts over if it is another one or another version of it.
    fn select_gateway(&mut self, sources: &Sources) -> bool {
        let selected = gateway::select(sources.gateways.values(), &self.tags);
        let same = match (&self.gateway, selected) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            (None, None) => true,
            _ => false,
        };
        if same {
            return false;
        }
        self.gateway = selected.cloned();
        let (ports, faults) = match selected {
            Some(gateway) => gateway::ports(gateway, &self.tags),
            None => (Vec::new(), Vec::new()),
        };
        self.runtime = one(
            envoy::RUNTIME.into(),
            envoy::runtime(ports.iter().map(|port| &**port)),
        );
        self.gateway_faults = faults;
        self.listeners.clear();
        self.route_configurations = Resources::default();
        self.tables = ports.into_iter().map(RouteTable::new).collect();
        let names = sources.routes.names();
        for position in 0..self.tables.len() {
            self.tables[position].update(&sources.routes, &names);
            self.encode_table(position);
        }
        true
    }

    /// Encodes one route table; whether it differs from before.
    fn encode_table(&mut self, position: usize) -> bool {
        let table = &self.tables[position];
        let name = envoy::route_configuration_name(table.port());
        let encoded = envoy::route_configuration(table, &self.tags);
        replace(&mut self.route_configurations, name, encoded)
    }

    /// Collects what had to be left out; whether that differs from before.
    fn collect_faults(&mut self) -> bool {
        let of_routes = self.tables.iter().flat_map(RouteTable::faults);
        let faults = self
            .gateway_faults
            .iter()
            .chain(of_routes)
            .chain(self.clusters.faults());
        let faults: BTreeSet<&Fault> = faults.collect();
        if self.faults.iter().eq(faults.iter().copied()) {
            return false;
        }
        self.faults = faults.into_iter().cloned().collect();
        true
    }

    fn assemble(&mut self, address: &str, mesh: &Arc<str>) -> Compiled {
        let mut faults = self.faults.clone();
        let listeners = match address.parse::<IpAddr>() {
            Ok(_) => self.listeners_at(address),
            Err(_) => {
                let with = faults
                    .iter()
                    .cloned()
                    .chain(self.unusable_address(address, mesh));
                faults = with.collect();
                Resources::default()
            }
        };
        Compiled {
            gateway: self
                .gateway
                .as_ref()
                .map(|gateway| gateway.key.name.clone()),
            resources: BTreeMap::from([
                (envoy::CLUSTER, self.clusters.clusters().clone()),
                (
                    envoy::CLUSTER_LOAD_ASSIGNMENT,
                    self.clusters.load_assignments().clone(),
                ),
                (envoy::LISTENER, listeners),
                (
                    envoy::ROUTE_CONFIGURATION,
                    self.route_configurations.clone(),
                ),
                (envoy::RUNTIME_LAYER, self.runtime.clone()),
            ]),
            faults,
        }
    }

    fn listeners_at(&mut self, address: &str) -> Resources {
        if let Some(listeners) = self.listeners.get(address) {
            return listeners.clone();
        }
        // Envoy takes no empty name for statistics.
        let service = self.tags.get(SERVICE).filter(|service| !service.is_empty());
        let service = service.map_or("gateway", String::as_str);
        let ports = self.tables.iter().map(|table| &**table.port());
        let listeners =
            ports.map(|port: &Port| (port.name.clone(), envoy::listener(port, address, service)));
        let listeners: Resources = Arc::new(listeners.collect());
        self.listeners.insert(address.to_owned(), listeners.clone());
        listeners
    }

    fn unusable_address(&self, address: &str, mesh: &Arc<str>) -> Option<Fault> {
        let (name, _) = self.members.iter().find(|(_, other)| *other == address)?;
        Some(Fault {
            resource: ResourceKey::in_mesh(DATAPLANE, mesh.clone(), name.clone()),
            field: "networking.address".to_owned(),
            reason: Reason::Address(address.to_owned()),
        })
    }
}

fn one(name: Arc<str>, encoded: Encoded) -> Resources {
    Arc::new(BTreeMap::from([(name, encoded)]))
}

/// Puts a resource in the place of the one of that name; whether it differs.
pub(super) fn replace(resources: &mut Resources, name: Arc<str>, encoded: Encoded) -> bool {
    if resources.get(&name) == Some(&encoded) {
        return false;
    }
    Arc::make_mut(resources).insert(name, encoded);
    true
}
