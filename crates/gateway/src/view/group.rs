//! BUILTIN gateway instances with equal tags: one MeshGateway, one set of routes and clusters for all.

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

use super::{
    Sources,
    clusters::Clusters,
    external::Reach,
    ports::{Changes, OpenChain, OpenPort},
};
use crate::{
    compiled::{Compiled, Resources},
    envoy::{self, Encoded},
    fault::{Fault, Reason},
    plan::{
        gateway::{self, Gateway},
        listeners,
    },
};

/// One group and what was compiled for it.
#[derive(Debug)]
pub(super) struct Group {
    tags: Tags,
    /// Addresses of its instances, by the names of their Dataplanes.
    members: BTreeMap<Arc<str>, String>,
    /// How many of these are IPv6 addresses.
    ipv6_members: usize,
    stale: Stale,
    gateway: Option<Arc<Gateway>>,
    /// Faults of the MeshGateway itself.
    gateway_faults: Vec<Fault>,
    ports: Vec<OpenPort>,
    clusters: Clusters,
    route_configurations: Resources,
    certificates: Resources,
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
    secrets: bool,
    services: BTreeSet<Box<str>>,
    policies: bool,
}

impl Stale {
    fn is_nothing(&self) -> bool {
        let Self {
            gateways,
            routes,
            secrets,
            services,
            policies,
        } = self;
        let any = *gateways || *secrets || *policies;
        !any && routes.is_empty() && services.is_empty()
    }
}

impl Group {
    /// A group without instances, not compiled yet.
    pub(super) fn new(tags: Tags) -> Self {
        Self {
            tags,
            members: BTreeMap::new(),
            ipv6_members: 0,
            stale: Stale {
                gateways: true,
                ..Stale::default()
            },
            gateway: None,
            gateway_faults: Vec::new(),
            ports: Vec::new(),
            clusters: Clusters::default(),
            route_configurations: Resources::default(),
            certificates: Resources::default(),
            runtime: one(envoy::RUNTIME.into(), envoy::runtime(std::iter::empty())),
            faults: Arc::default(),
            listeners: HashMap::new(),
            compiled: HashMap::new(),
        }
    }

    /// Adds an instance.
    pub(super) fn join(&mut self, name: &Arc<str>, address: &str) {
        let was_ipv6 = self.is_ipv6();
        self.members.insert(name.clone(), address.to_owned());
        self.ipv6_members += usize::from(is_ipv6(address));
        self.family_was(was_ipv6);
    }

    /// Removes an instance, and what only it needed.
    pub(super) fn leave(&mut self, name: &str) {
        let was_ipv6 = self.is_ipv6();
        let Some(address) = self.members.remove(name) else {
            return;
        };
        self.ipv6_members -= usize::from(is_ipv6(&address));
        self.family_was(was_ipv6);
        if !self.members.values().any(|other| *other == address) {
            self.listeners.remove(&address);
            self.compiled.remove(&address);
        }
    }

    /// Whether all instances have IPv6 addresses.
    fn is_ipv6(&self) -> bool {
        self.ipv6_members == self.members.len() && self.ipv6_members > 0
    }

    /// Clusters look up names in the family of addresses that the instances have.
    fn family_was(&mut self, ipv6: bool) {
        if ipv6 != self.is_ipv6() {
            let services = self.clusters.services();
            self.stale.services.extend(services.cloned());
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
        // Without ports nothing depends on routes; new ports take all there are.
        if !self.ports.is_empty() {
            self.stale.routes.insert(name.clone());
        }
    }

    /// The Secret of this name changed.
    pub(super) fn secret_changed(&mut self, name: &str) {
        let named = self.chains().any(|chain| chain.names_secret(name));
        self.stale.secrets |= named;
    }

    /// Some policy of the mesh changed.
    pub(super) fn policies_changed(&mut self) {
        self.stale.policies = true;
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
        let changes = if reselected {
            Changes::EVERYTHING
        } else {
            self.update_chains(&stale, sources)
        };
        let mut changed = changes.table;
        let reach = Reach {
            services: &sources.services,
            externals: &sources.externals,
            zone,
            source: &self.tags,
            ipv6: self.is_ipv6(),
        };
        if changes.clusters {
            let needed = self.ports.iter().flat_map(|open| &open.chains);
            let needed = needed.flat_map(OpenChain::clusters);
            changed |= self.clusters.keep(needed, &reach);
        }
        changed |= self.clusters.update(&stale.services, &reach);
        let shown_to_external = self.clusters.take_certificates_changed();
        if changes.listener {
            self.listeners.clear();
            changed = true;
        }
        if changes.listener || stale.secrets || shown_to_external {
            changed |= self.collect_certificates();
        }
        self.collect_faults(sources) | changed
    }

    /// Lets every chain take over the routes and Secrets that changed.
    fn update_chains(&mut self, stale: &Stale, sources: &Sources) -> Changes {
        let mut all = Changes::default();
        let Some(gateway) = &self.gateway else {
            return all;
        };
        for chain in self.ports.iter_mut().flat_map(|open| &mut open.chains) {
            let mut changes = chain.update_routes(sources, &stale.routes);
            if stale.policies {
                changes |= chain.choose_policies(&sources.policies);
            }
            if stale.secrets {
                changes |= chain.update_certificates(&gateway.key, &sources.secrets);
            }
            if changes.table {
                changes.table = put_table(&mut self.route_configurations, chain, &self.tags);
            }
            all |= changes;
        }
        all
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
        self.gateway_faults.clear();
        self.ports.clear();
        self.route_configurations = Resources::default();
        if let Some(gateway) = selected {
            let (ports, faults) = listeners::ports(gateway, &self.tags);
            self.gateway_faults = faults;
            let ports = ports.into_iter();
            self.ports = ports
                .map(|port| OpenPort::new(port, &gateway.key, sources))
                .collect();
        }
        let ports = self.ports.iter().map(|open| &*open.port);
        self.runtime = one(envoy::RUNTIME.into(), envoy::runtime(ports));
        for chain in self.ports.iter().flat_map(|open| &open.chains) {
            put_table(&mut self.route_configurations, chain, &self.tags);
        }
        true
    }

    fn chains(&self) -> impl Iterator<Item = &OpenChain> {
        self.ports.iter().flat_map(|open| &open.chains)
    }

    /// Collects the certificates that are shown; whether any differs from before.
    fn collect_certificates(&mut self) -> bool {
        let to_clients = self.chains().flat_map(OpenChain::shown_certificates);
        let shown = to_clients.chain(self.clusters.certificates());
        let shown: BTreeMap<_, _> = shown
            .map(|one| (one.name.clone(), one.encoded.clone()))
            .collect();
        let differs = *self.certificates != shown;
        if differs {
            self.certificates = Arc::new(shown);
        }
        differs
    }

    /// Collects what had to be left out; whether that differs from before.
    fn collect_faults(&mut self, sources: &Sources) -> bool {
        let faults = self
            .gateway_faults
            .iter()
            .chain(self.chains().flat_map(OpenChain::faults))
            .chain(self.clusters.faults())
            .chain(sources.policies.faults());
        let faults: BTreeSet<&Fault> = faults.collect();
        if self.faults.iter().eq(faults.iter().copied()) {
            return false;
        }
        self.faults = faults.into_iter().cloned().collect();
        true
    }

    fn assemble(&mut self, address: &str, mesh: &Arc<str>) -> Compiled {
        let mut faults = self.faults.clone();
        // Nobody asks for what only listeners use if there are none.
        let (listeners, tables, certificates) = if address.parse::<IpAddr>().is_ok() {
            (
                self.listeners_at(address),
                self.route_configurations.clone(),
                self.certificates.clone(),
            )
        } else {
            let with = faults.iter().cloned();
            faults = with.chain(self.unusable_address(address, mesh)).collect();
            Default::default()
        };
        Compiled {
            gateway: self
                .gateway
                .as_ref()
                .map(|gateway| gateway.key.name.clone()),
            is_delegated: false,
            resources: BTreeMap::from([
                (envoy::CLUSTER, self.clusters.clusters().clone()),
                (
                    envoy::CLUSTER_LOAD_ASSIGNMENT,
                    self.clusters.load_assignments().clone(),
                ),
                (envoy::LISTENER, listeners),
                (envoy::ROUTE_CONFIGURATION, tables),
                (envoy::RUNTIME_LAYER, self.runtime.clone()),
                (envoy::SECRET, certificates),
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
        let listeners = self.ports.iter().filter_map(|open| {
            let chains = open.chains.iter().map(OpenChain::in_use);
            let listener = envoy::listener(&open.port, address, service, chains)?;
            Some((open.port.name.clone(), listener))
        });
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

fn is_ipv6(address: &str) -> bool {
    address
        .parse()
        .is_ok_and(|address: IpAddr| address.is_ipv6())
}

fn one(name: Arc<str>, encoded: Encoded) -> Resources {
    Arc::new(BTreeMap::from([(name, encoded)]))
}

/// Puts the route table of a chain in its place, or takes it out if nobody asks for it; whether that made
/// a difference.
fn put_table(tables: &mut Resources, chain: &OpenChain, gateway_tags: &Tags) -> bool {
    let Some(table) = chain.table() else {
        return false;
    };
    let name = &table.chain().name;
    if chain.is_open() {
        let encoded = envoy::route_configuration(table, gateway_tags);
        return replace(tables, name.clone(), encoded);
    }
    take_out(tables, name)
}

/// Takes a resource out; whether it was there. If not, no copy of the rest is made.
pub(super) fn take_out(resources: &mut Resources, name: &str) -> bool {
    resources.contains_key(name) && Arc::make_mut(resources).remove(name).is_some()
}

/// Puts a resource in the place of the one of that name; whether it differs.
pub(super) fn replace(resources: &mut Resources, name: Arc<str>, encoded: Encoded) -> bool {
    if resources.get(&name) == Some(&encoded) {
        return false;
    }
    Arc::make_mut(resources).insert(name, encoded);
    true
}
