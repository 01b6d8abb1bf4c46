//! TCP routes: which backends share the connections of a chain.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use portolan_model::{
    Resource,
    tags::{self, Tags},
};
use portolan_proto::mesh::{MeshGatewayRoute, mesh_gateway_route::conf};

use super::{
    action::Backend,
    backend,
    destination::{Destination, cluster_name},
    entry::Author,
    policy::{Chosen, Policies},
    port::Chain,
    route::Shared,
};
use crate::fault::Fault;

/// The TCP rules of one MeshGatewayRoute.
#[derive(Debug)]
pub struct TcpRoute {
    /// The resource.
    pub author: Author,
    selectors: Arc<Vec<Tags>>,
    /// The backends of all its rules: nothing tells connections apart, so all rules take them together.
    pub backends: Box<[Backend]>,
    /// What had to be left out.
    pub faults: Box<[Fault]>,
}

/// All TCP routes of a mesh, by name.
pub type TcpRoutes = BTreeMap<Arc<str>, Arc<TcpRoute>>;

impl TcpRoute {
    /// Reads a resource of kind MeshGatewayRoute; nothing if it has no TCP rules.
    pub fn read(resource: &Resource, shared: &mut Shared) -> Option<Self> {
        // Stores hold only specs that are messages of their kind.
        let spec: MeshGatewayRoute = resource.spec_as().ok()?;
        let Some(conf::Route::Tcp(tcp)) = spec.conf.and_then(|conf| conf.route) else {
            return None;
        };
        let mut backends = Vec::new();
        let mut faults = Vec::new();
        for (position, rule) in tcp.rules.iter().enumerate() {
            match backend::read_all(&rule.backends, &mut shared.destinations) {
                Ok(of_rule) => backends.extend(of_rule),
                Err((field, reason)) => faults.push(Fault {
                    resource: resource.key.clone(),
                    field: format!("conf.tcp.rules[{position}].{field}"),
                    reason,
                }),
            }
        }
        Some(Self {
            author: Author::new(resource),
            selectors: shared.selectors(spec.selectors),
            backends: backends.into(),
            faults: faults.into(),
        })
    }

    /// Whether it belongs to a listener with these tags.
    pub fn selects(&self, listener: &Tags) -> bool {
        let mut selectors = self.selectors.iter();
        selectors.any(|selector| tags::matches(selector, listener))
    }
}

/// A cluster and its share of the connections of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The cluster.
    pub cluster: Arc<str>,
    /// Whose instances it has.
    pub destination: Arc<Destination>,
    /// Above 0, relative to the sum of all, which fits 32 bits as well.
    pub weight: u32,
    /// The policies for its connections.
    pub chosen: Arc<Chosen>,
}

/// The TCP routes of one chain, kept up to date route by route.
#[derive(Debug)]
pub struct TcpTable {
    chain: Arc<Chain>,
    bound: TcpRoutes,
    shares: Box<[Share]>,
    chosen: Chosen,
}

impl TcpTable {
    /// The table with all routes that belong to some listener of the chain.
    pub fn new(chain: Arc<Chain>, routes: &TcpRoutes, policies: &Policies) -> Self {
        let mut table = Self {
            chain,
            bound: TcpRoutes::new(),
            shares: Box::default(),
            chosen: Chosen::default(),
        };
        let all = routes.iter().map(|(name, route)| (name, Some(route)));
        table.take(all, policies);
        table
    }

    /// Who shares the connections, ordered by cluster; nobody if no route belongs to the chain.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// The policies for connections that somebody shares, whoever gets them.
    pub fn chosen(&self) -> &Chosen {
        &self.chosen
    }

    /// The routes that belong to some listener of the chain, by name.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<TcpRoute>> {
        self.bound.values()
    }

    /// What had to be left out of routes that belong to some listener of the chain.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.bound.values().flat_map(|route| &route.faults)
    }

    /// Takes over the routes of these names as they are in `routes` now; whether others share the
    /// connections than before.
    pub fn update(
        &mut self,
        routes: &TcpRoutes,
        names: &BTreeSet<Arc<str>>,
        policies: &Policies,
    ) -> bool {
        let named = names.iter().map(|name| (name, routes.get(name)));
        self.take(named, policies)
    }

    /// Chooses policies anew; whether that made a difference.
    pub fn choose(&mut self, policies: &Policies) -> bool {
        let shares = self.weigh(policies);
        let differs = self.shares != shares;
        let backends = shares.iter();
        let backends: Vec<_> = backends
            .map(|share| (&*share.destination, share.chosen.clone()))
            .collect();
        self.chosen = Chosen::of_split(&backends);
        self.shares = shares;
        differs
    }

    fn take<'a>(
        &mut self,
        routes: impl Iterator<Item = (&'a Arc<str>, Option<&'a Arc<TcpRoute>>)>,
        policies: &Policies,
    ) -> bool {
        let mut touched = false;
        for (name, route) in routes {
            touched |= self.bound.remove(name).is_some();
            let listeners = &self.chain.listeners;
            let selects =
                |route: &&Arc<TcpRoute>| listeners.iter().any(|one| route.selects(&one.tags));
            if let Some(route) = route.filter(selects) {
                self.bound.insert(name.clone(), route.clone());
                touched = true;
            }
        }
        touched && self.choose(policies)
    }

    /// The backends of all routes of all listeners together.
    fn weigh(&self, policies: &Policies) -> Box<[Share]> {
        let mut weights: BTreeMap<Arc<str>, (Arc<Destination>, &Tags, u64)> = BTreeMap::new();
        for listener in &self.chain.listeners {
            let routes = self.bound.values();
            let routes = routes.filter(|route| route.selects(&listener.tags));
            for backend in routes.flat_map(|route| &route.backends) {
                // It gets nothing, and Envoy takes no weight of 0 here.
                if backend.weight > 0 {
                    let cluster = cluster_name(&backend.destination, &listener.tags).into();
                    let entry = || (backend.destination.clone(), &listener.tags, 0);
                    weights.entry(cluster).or_insert_with(entry).2 += u64::from(backend.weight);
                }
            }
        }
        // Each rule fits 32 bits, which together they may not. Half of them leaves room for rounding up.
        let sum: u64 = weights.values().map(|(_, _, weight)| weight).sum();
        let shrink = match sum <= u64::from(u32::MAX) {
            true => 1,
            false => sum.div_ceil(u64::from(u32::MAX / 2)),
        };
        let shares = weights.into_iter();
        let shares = shares.map(|(cluster, (destination, source, weight))| Share {
            cluster,
            weight: u32::try_from(weight.div_ceil(shrink)).unwrap_or(u32::MAX),
            chosen: policies.choose(source, &destination).into(),
            destination,
        });
        shares.collect()
    }
}
