//! BUILTIN gateway instances with equal tags: one MeshGateway, one set of routes and clusters for all.

mod assemble;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    mem,
    net::IpAddr,
    sync::Arc,
};

use portolan_model::{ResourceKey, tags::Tags};

use super::{
    Sources,
    clusters::Clusters,
    ports::{Changes, OpenChain, OpenPort},
    resources::{replace, take_out},
};
use crate::{
    compiled::{Compiled, Resources},
    envoy::{self, Encoded},
    fault::Fault,
    layout::Sizes,
    plan::{
        gateway::{self, Gateway},
        listeners,
        proxy::ForProxy,
    },
    template::{Memory, Outcome, Template},
};

/// One group and what was compiled for it.
#[derive(Debug)]
pub(super) struct Group {
    tags: Tags,
    /// How long lists of routes may be.
    sizes: Sizes,
    /// Its instances, by the names of their Dataplanes.
    members: BTreeMap<Arc<str>, Seat>,
    /// How many of these have IPv6 addresses.
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
    /// What proxies log and trace.
    for_proxy: ForProxy,
    /// Listeners by where they are.
    listeners: HashMap<Seat, Outcome>,
    /// What the ProxyTemplate made of resources that all instances share, by type.
    modified: BTreeMap<&'static str, Memory>,
    /// What instances get; emptied when anything changes.
    compiled: HashMap<Seat, Arc<Compiled>>,
}

/// By what listeners of instances differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Seat {
    address: String,
    /// Where the data plane takes lines for a collector of access logs, if any go there.
    log_pipe: Option<Box<str>>,
}

/// What changed since the group was compiled.
#[derive(Debug, Default)]
struct Stale {
    gateways: bool,
    routes: BTreeSet<Arc<str>>,
    secrets: bool,
    services: BTreeSet<Box<str>>,
    policies: bool,
    proxy_policies: bool,
    mtls: bool,
}

impl Stale {
    fn is_nothing(&self) -> bool {
        let Self {
            gateways,
            routes,
            secrets,
            services,
            policies,
            proxy_policies,
            mtls,
        } = self;
        let any = *gateways || *secrets || *policies || *proxy_policies || *mtls;
        !any && routes.is_empty() && services.is_empty()
    }
}

impl Group {
    /// A group without instances, not compiled yet.
    pub(super) fn new(tags: Tags, sizes: Sizes) -> Self {
        Self {
            tags,
            sizes,
            members: BTreeMap::new(),
            ipv6_members: 0,
            stale: Stale {
                gateways: true,
                proxy_policies: true,
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
            for_proxy: ForProxy::default(),
            listeners: HashMap::new(),
            modified: BTreeMap::new(),
            compiled: HashMap::new(),
        }
    }

    /// Adds an instance.
    pub(super) fn join(&mut self, name: &Arc<str>, address: &str) {
        let was_ipv6 = self.is_ipv6();
        let seat = Seat {
            address: address.to_owned(),
            log_pipe: None,
        };
        self.members.insert(name.clone(), seat);
        self.ipv6_members += usize::from(is_ipv6(address));
        self.family_was(was_ipv6);
    }

    /// Removes an instance, and what only it needed.
    pub(super) fn leave(&mut self, name: &str) {
        let was_ipv6 = self.is_ipv6();
        let Some(seat) = self.members.remove(name) else {
            return;
        };
        self.ipv6_members -= usize::from(is_ipv6(&seat.address));
        self.family_was(was_ipv6);
        self.clear(&seat);
    }

    /// Forgets what was made for instances at a place, unless there are others.
    fn clear(&mut self, seat: &Seat) {
        if !self.members.values().any(|other| other == seat) {
            self.listeners.remove(seat);
            self.compiled.remove(seat);
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

    /// Some proxy policy of the mesh, or the Mesh, changed.
    pub(super) fn proxy_policies_changed(&mut self) {
        self.stale.proxy_policies = true;
    }

    /// The mutual TLS of the mesh changed.
    pub(super) fn mtls_changed(&mut self) {
        self.stale.mtls = true;
    }

    /// Instances of these services changed.
    pub(super) fn services_changed(&mut self, services: &BTreeSet<&str>) {
        for service in services {
            if self.clusters.has_service(service) {
                self.stale.services.insert((*service).into());
            }
        }
    }

    /// The configuration of the instance of this Dataplane; nothing if it is none of the group's.
    pub(super) fn compile(
        &mut self,
        dataplane: &ResourceKey,
        log_pipe: Option<&str>,
        sources: &Sources,
        zone: &str,
    ) -> Option<Arc<Compiled>> {
        if self.refresh(&dataplane.mesh, sources, zone) {
            self.compiled.clear();
        }
        let seat = self.seat(&dataplane.name, log_pipe)?;
        if let Some(compiled) = self.compiled.get(&seat) {
            return Some(compiled.clone());
        }
        let compiled = Arc::new(self.assemble(&seat, &dataplane.mesh, zone));
        self.compiled.insert(seat, compiled.clone());
        Some(compiled)
    }

    /// Where an instance is; what was made for where it was goes.
    fn seat(&mut self, name: &str, log_pipe: Option<&str>) -> Option<Seat> {
        let backend = self.for_proxy.log_backend.as_ref();
        let is_asked = backend.is_some_and(|backend| backend.is_collector());
        let log_pipe = log_pipe.filter(|_| is_asked);
        let member = self.members.get_mut(name)?;
        if member.log_pipe.as_deref() == log_pipe {
            return Some(member.clone());
        }
        let before = member.clone();
        member.log_pipe = log_pipe.map(Box::from);
        let seat = member.clone();
        self.clear(&before);
        Some(seat)
    }

    /// Chooses proxy policies anew; whether that makes other listeners.
    fn choose_for_proxy(&mut self, mesh: &Arc<str>, sources: &Sources) -> bool {
        let chosen = sources.proxy_policies.choose(mesh, &self.tags);
        let templates_differ = !chosen.templates_as(&self.for_proxy);
        let differs = !chosen.listens_as(&self.for_proxy) || templates_differ;
        if differs {
            let collector = chosen.trace_backend.as_deref();
            self.clusters.set_static(collector.map(|backend| {
                let name = envoy::collector_name(backend);
                (name.into(), envoy::collector_cluster(backend))
            }));
        }
        self.for_proxy = chosen;
        if templates_differ {
            self.modified.clear();
            self.put_tables();
        }
        differs
    }

    /// Takes over what changed; whether that made a difference.
    fn refresh(&mut self, mesh: &Arc<str>, sources: &Sources, zone: &str) -> bool {
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
        let reach = sources.reach(zone, &self.tags, self.is_ipv6());
        if changes.clusters {
            let needed = self.ports.iter().flat_map(|open| &open.chains);
            let needed = needed.flat_map(OpenChain::clusters);
            changed |= self.clusters.keep(needed, &reach);
        }
        changed |= self.clusters.update(&stale.services, &reach);
        let shown_to_external = self.clusters.take_certificates_changed();
        let mut listeners = changes.listener;
        if stale.proxy_policies {
            listeners |= self.choose_for_proxy(mesh, sources);
        }
        if listeners {
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
            if stale.secrets || stale.mtls {
                changes |= chain.update_certificates(&gateway.key, sources);
            }
            if changes.table {
                let shape = (self.sizes, self.for_proxy.template());
                changes.table = put_table(&mut self.route_configurations, chain, &self.tags, shape);
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
        self.put_tables();
        true
    }

    /// Puts all route tables in their places.
    fn put_tables(&mut self) {
        let shape = (self.sizes, self.for_proxy.template());
        for chain in self.ports.iter().flat_map(|open| &open.chains) {
            put_table(&mut self.route_configurations, chain, &self.tags, shape);
        }
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
            .chain(sources.policies.faults())
            .chain(self.for_proxy.faults());
        let faults: BTreeSet<&Fault> = faults.collect();
        if self.faults.iter().eq(faults.iter().copied()) {
            return false;
        }
        self.faults = faults.into_iter().cloned().collect();
        true
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
fn put_table(
    tables: &mut Resources,
    chain: &OpenChain,
    gateway_tags: &Tags,
    (sizes, template): (Sizes, Option<&Arc<Template>>),
) -> bool {
    let Some(table) = chain.table() else {
        return false;
    };
    let name = &table.chain().name;
    if chain.is_open() {
        let sizes = |host: &str| match template {
            Some(template) => template.sizes(name, host, sizes),
            None => sizes,
        };
        let encoded = envoy::route_configuration(table, gateway_tags, sizes);
        return replace(tables, name.clone(), encoded);
    }
    take_out(tables, name)
}
