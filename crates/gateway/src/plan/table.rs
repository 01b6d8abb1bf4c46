//! The route table of a port: for each virtual host, its routes in the order in which they are tried.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, OnceLock},
};

use bytes::Bytes;

use super::{
    entry::Entry,
    gateway::{Listener, Port},
    hosts::{self, Host, Hosts},
    route::HttpRoute,
};

/// All routes of a mesh, and all their entries in the order in which they are tried. The order is the
/// same on every host, so it is kept up here once.
#[derive(Debug, Default)]
pub struct Routes {
    by_name: BTreeMap<Arc<str>, Arc<HttpRoute>>,
    ordered: BTreeSet<Arc<Entry>>,
}

impl Routes {
    /// Adds a route in place of the one of that name.
    pub fn insert(&mut self, route: HttpRoute) {
        let name = route.author.name().clone();
        self.remove(&name);
        self.ordered.extend(route.entries.iter().cloned());
        self.by_name.insert(name, Arc::new(route));
    }

    /// Removes the route of that name; whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let Some(old) = self.by_name.remove(name) else {
            return false;
        };
        for entry in &old.entries {
            self.ordered.remove(entry);
        }
        true
    }

    /// The names of all routes.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.by_name.keys()
    }
}

/// An entry on the hosts of one listener.
#[derive(Debug)]
pub struct Route {
    /// What it takes and what it does.
    pub entry: Arc<Entry>,
    /// The listener whose tags choose its clusters and policies.
    pub listener: Arc<Listener>,
    /// What the next step made of it, kept here so that it lives exactly as long as this value.
    pub(crate) encoded: OnceLock<Bytes>,
}

/// The route table of one port, kept up to date route by route.
#[derive(Debug)]
pub struct RouteTable {
    port: Arc<Port>,
    hosts: Hosts,
    bindings: HashMap<Arc<str>, Binding>,
    /// For each host, its routes in order.
    routes: Vec<Vec<Arc<Route>>>,
}

/// A route that belongs to some listeners of the port.
#[derive(Debug)]
struct Binding {
    route: Arc<HttpRoute>,
    /// Positions of its listeners.
    listeners: Box<[usize]>,
    /// Positions of the hosts that it serves, each with the position in `planned` of its listener.
    hosts: Vec<(usize, usize)>,
    /// Its entries for each listener that owns some of these hosts.
    planned: Vec<(usize, Box<[Arc<Route>]>)>,
}

impl RouteTable {
    /// An empty table; the first [`update`](Self::update) must name every route.
    pub fn new(port: Arc<Port>) -> Self {
        let hosts = Hosts::new(&port.listeners, &BTreeSet::new());
        let routes = vec![Vec::new(); hosts.list().len()];
        Self {
            port,
            hosts,
            bindings: HashMap::new(),
            routes,
        }
    }

    /// The port.
    pub fn port(&self) -> &Arc<Port> {
        &self.port
    }

    /// The virtual hosts, the most specific first, each with its routes in order.
    pub fn hosts(&self) -> impl Iterator<Item = (&Host, &[Arc<Route>])> {
        self.hosts
            .list()
            .iter()
            .zip(self.routes.iter().map(Vec::as_slice))
    }

    /// The routes that belong to some listener of the port.
    pub fn bound(&self) -> impl Iterator<Item = &HttpRoute> {
        self.bindings.values().map(|binding| &*binding.route)
    }

    /// Everything that is planned on some host, once for each listener.
    pub fn planned(&self) -> impl Iterator<Item = &Arc<Route>> {
        let planned = self.bindings.values().flat_map(|binding| &binding.planned);
        planned.flat_map(|(_, routes)| routes.iter())
    }

    /// Takes over the routes of these names as they are in `routes` now. Says whether anything changed.
    pub fn update<'a>(
        &mut self,
        routes: &Routes,
        names: impl IntoIterator<Item = &'a Arc<str>>,
    ) -> bool {
        let mut placed = Vec::new();
        let mut changed = false;
        let mut hosts_may_change = false;
        for name in names {
            let old = self.bindings.remove(name);
            let new = routes
                .by_name
                .get(name)
                .and_then(|route| Binding::new(route, &self.port));
            changed |= old.is_some() || new.is_some();
            hosts_may_change |= [&old, &new].into_iter().flatten().any(Binding::names_hosts);
            if let Some(new) = new {
                self.bindings.insert(name.clone(), new);
                placed.push(name.clone());
            }
        }
        if !changed {
            return false;
        }
        if hosts_may_change && self.rebuild_hosts() {
            for binding in self.bindings.values_mut() {
                binding.place(&self.hosts, &self.port);
            }
        } else {
            for name in &placed {
                if let Some(binding) = self.bindings.get_mut(name) {
                    binding.place(&self.hosts, &self.port);
                }
            }
        }
        self.fill(routes);
        true
    }

    /// Says whether there are other hosts than before.
    fn rebuild_hosts(&mut self) -> bool {
        let listeners = &self.port.listeners;
        let named = self.bindings.values().flat_map(|binding| {
            hosts::named(&binding.route.hostnames, &binding.listeners, listeners)
        });
        let hosts = Hosts::new(listeners, &named.collect());
        let changed = hosts.list() != self.hosts.list();
        if changed {
            self.hosts = hosts;
        }
        changed
    }

    /// Deals the entries out to the hosts, in the order in which they are tried.
    fn fill(&mut self, routes: &Routes) {
        self.routes.iter_mut().for_each(Vec::clear);
        self.routes.resize_with(self.hosts.list().len(), Vec::new);
        for entry in &routes.ordered {
            let Some(binding) = self.bindings.get(entry.author.name()) else {
                continue;
            };
            for (host, planned) in &binding.hosts {
                let (_, planned) = &binding.planned[*planned];
                self.routes[*host].push(planned[entry.index as usize].clone());
            }
        }
    }
}

impl Binding {
    /// Nothing if the route belongs to no listener of the port.
    fn new(route: &Arc<HttpRoute>, port: &Port) -> Option<Self> {
        let listeners: Box<[usize]> = (0..port.listeners.len())
            .filter(|position| route.selects(&port.listeners[*position].tags))
            .collect();
        (!listeners.is_empty()).then(|| Self {
            route: route.clone(),
            listeners,
            hosts: Vec::new(),
            planned: Vec::new(),
        })
    }

    fn names_hosts(&self) -> bool {
        !self.route.hostnames.is_empty()
    }

    /// Finds its hosts. What was planned for a listener stays, with its bytes.
    fn place(&mut self, hosts: &Hosts, port: &Port) {
        let mut before: HashMap<_, _> = self.planned.drain(..).collect();
        let mut slots: HashMap<usize, usize> = HashMap::new();
        self.hosts.clear();
        for host in hosts.served(&self.route.hostnames, &self.listeners, &port.listeners) {
            let owner = hosts.list()[host].listener;
            let slot = *slots.entry(owner).or_insert_with(|| {
                let routes = before.remove(&owner);
                let routes = routes.unwrap_or_else(|| plan(&self.route, &port.listeners[owner]));
                self.planned.push((owner, routes));
                self.planned.len() - 1
            });
            self.hosts.push((host, slot));
        }
    }
}

fn plan(route: &HttpRoute, listener: &Arc<Listener>) -> Box<[Arc<Route>]> {
    let routes = route.entries.iter().map(|entry| {
        let (entry, listener) = (entry.clone(), listener.clone());
        Arc::new(Route {
            entry,
            listener,
            encoded: OnceLock::new(),
        })
    });
    routes.collect()
}
