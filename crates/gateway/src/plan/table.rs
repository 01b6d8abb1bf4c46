//! The route table of a chain: for each virtual host, its routes in the order in which they are tried.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    mem,
    sync::{Arc, OnceLock},
};

use super::{
    destination::Destination,
    entry::Entry,
    hosts::{self, Host, Hosts},
    needs::Needs,
    port::{Chain, Listener},
    route::HttpRoute,
};
use crate::fault::Fault;

/// Up to so many changed routes are put where they belong one by one.
const FEW_ROUTES: usize = 64;

/// All routes of a mesh, and all their entries in the order in which they are tried. The order is the
/// same on every host, so it is kept up here once.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    by_name: BTreeMap<Arc<str>, Arc<HttpRoute>>,
    ordered: BTreeSet<Arc<Entry>>,
}

impl Routes {
    /// Adds a route in place of the one of that name.
    pub fn insert(&mut self, route: HttpRoute) {
        let name = route.author.name().clone();
        let route = Arc::new(route);
        let replaced = self.by_name.insert(name, route.clone());
        for entry in replaced.iter().flat_map(|route| &route.entries) {
            self.ordered.remove(entry);
        }
        self.ordered.extend(route.entries.iter().cloned());
    }

    /// Removes the route of that name, if there is one.
    pub fn remove(&mut self, name: &str) {
        let removed = self.by_name.remove(name);
        for entry in removed.iter().flat_map(|route| &route.entries) {
            self.ordered.remove(entry);
        }
    }

    /// The route of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<HttpRoute>> {
        self.by_name.get(name)
    }

    /// The names of all routes.
    pub fn names(&self) -> BTreeSet<Arc<str>> {
        self.by_name.keys().cloned().collect()
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
    pub(crate) encoded: OnceLock<Box<[u8]>>,
}

/// The route table of one chain that carries HTTP, kept up to date route by route.
#[derive(Debug)]
pub struct RouteTable {
    chain: Arc<Chain>,
    hosts: Hosts,
    bindings: HashMap<Arc<str>, Binding>,
    /// For each host, its routes in order.
    routes: Vec<Vec<Arc<Route>>>,
    needs: Needs,
    /// Names of the bound routes with something that had to be left out.
    faulty: BTreeSet<Arc<str>>,
}

/// A route that belongs to some listeners of the chain.
#[derive(Debug)]
struct Binding {
    route: Arc<HttpRoute>,
    /// Positions of its listeners.
    listeners: Box<[usize]>,
    /// Positions of the hosts that it serves, each with the position in `planned` of its listener.
    hosts: Vec<(usize, usize)>,
    /// Its entries for each listener that owns some of these hosts, ordered by listener.
    planned: Vec<(usize, Box<[Arc<Route>]>)>,
}

/// What an update made different.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Some host has other routes, or there are other hosts.
    pub routes: bool,
    /// Other clusters are needed.
    pub clusters: bool,
}

impl RouteTable {
    /// An empty table; the first [`update`](Self::update) must name every route.
    pub fn new(chain: Arc<Chain>) -> Self {
        let hosts = Hosts::new(&chain.listeners, &BTreeSet::new());
        let routes = vec![Vec::new(); hosts.list().len()];
        let (needs, faulty) = Default::default();
        Self {
            chain,
            hosts,
            bindings: HashMap::new(),
            routes,
            needs,
            faulty,
        }
    }

    /// The chain.
    pub fn chain(&self) -> &Arc<Chain> {
        &self.chain
    }

    /// The virtual hosts, the most specific first, each with its routes in order.
    pub fn hosts(&self) -> impl Iterator<Item = (&Host, &[Arc<Route>])> {
        self.hosts
            .list()
            .iter()
            .zip(self.routes.iter().map(Vec::as_slice))
    }

    /// Names and destinations of the clusters that routes need; some may come more than once.
    pub fn clusters(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Destination>)> {
        self.needs.clusters()
    }

    /// What had to be left out of routes that belong to some listener of the chain.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        let faulty = self
            .faulty
            .iter()
            .filter_map(|name| self.bindings.get(name));
        faulty.flat_map(|binding| &binding.route.faults)
    }

    /// Takes over the routes of these names as they are in `routes` now.
    pub fn update(&mut self, routes: &Routes, names: &BTreeSet<Arc<str>>) -> Changes {
        let mut hosts_may_change = false;
        let mut old = Vec::new();
        let mut new = Vec::new();
        self.bindings.reserve(names.len());
        for name in names {
            self.faulty.remove(name);
            let before = self.bindings.remove(name);
            let after = routes
                .by_name
                .get(name)
                .and_then(|route| Binding::new(route, &self.chain));
            hosts_may_change |= match (&before, &after) {
                (Some(before), Some(after)) => !before.names_as(after),
                (before, after) => before.iter().chain(after).any(Binding::names_hosts),
            };
            old.extend(before);
            if let Some(binding) = after {
                if !binding.route.faults.is_empty() {
                    self.faulty.insert(name.clone());
                }
                self.bindings.insert(name.clone(), binding);
                new.push(name);
            }
        }
        if old.is_empty() && new.is_empty() {
            return Changes::default();
        }
        let clusters = if hosts_may_change && self.rebuild_hosts() {
            self.replace_all(routes);
            true
        } else {
            self.replace(&old, &new, routes)
        };
        Changes {
            routes: true,
            clusters,
        }
    }

    /// Says whether there are other hosts than before.
    fn rebuild_hosts(&mut self) -> bool {
        let listeners = &self.chain.listeners;
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

    /// Finds the hosts of every route anew.
    fn replace_all(&mut self, routes: &Routes) {
        self.needs = Needs::default();
        for binding in self.bindings.values_mut() {
            binding.place(&self.hosts, &self.chain);
            for (listener, route) in binding.planned() {
                self.needs.add(listener, route);
            }
        }
        self.fill(routes);
    }

    /// Puts the bindings of the names `new` in the place of `old`, on the same hosts as before. Says
    /// whether other clusters are needed.
    fn replace(&mut self, old: &[Binding], new: &[&Arc<str>], routes: &Routes) -> bool {
        let mut clusters = false;
        for name in new {
            let Some(binding) = self.bindings.get_mut(*name) else {
                continue;
            };
            binding.place(&self.hosts, &self.chain);
            for (listener, route) in binding.planned() {
                clusters |= self.needs.add(listener, route);
            }
        }
        for (listener, route) in old.iter().flat_map(Binding::planned) {
            clusters |= self.needs.remove(listener, route);
        }
        // Each route that comes or goes moves those behind it; many are better dealt out anew.
        if old.len() + new.len() > FEW_ROUTES {
            self.fill(routes);
            return clusters;
        }
        for (host, route) in old.iter().flat_map(Binding::served) {
            let list = &mut self.routes[host];
            if let Ok(position) = list.binary_search_by(|other| other.entry.cmp(&route.entry)) {
                list.remove(position);
            }
        }
        let new = new.iter().filter_map(|name| self.bindings.get(*name));
        for (host, route) in new.flat_map(Binding::served) {
            let list = &mut self.routes[host];
            let position = list.partition_point(|other| other.entry < route.entry);
            list.insert(position, route.clone());
        }
        clusters
    }

    /// Deals all entries out to the hosts, in the order in which they are tried.
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
    /// Nothing if the route belongs to no listener of the chain.
    fn new(route: &Arc<HttpRoute>, chain: &Chain) -> Option<Self> {
        let listeners: Box<[usize]> = (0..chain.listeners.len())
            .filter(|position| route.selects(&chain.listeners[*position].tags))
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

    /// Whether it names the same hosts on the same listeners.
    fn names_as(&self, other: &Self) -> bool {
        self.route.hostnames == other.route.hostnames
            && (self.listeners == other.listeners || !self.names_hosts())
    }

    /// Its entries, each with the position of its listener.
    fn planned(&self) -> impl Iterator<Item = (usize, &Arc<Route>)> {
        let planned = self.planned.iter();
        planned.flat_map(|(listener, routes)| routes.iter().map(|route| (*listener, route)))
    }

    /// Its entries on each host, with the position of the host.
    fn served(&self) -> impl Iterator<Item = (usize, &Arc<Route>)> {
        self.hosts.iter().flat_map(|(host, planned)| {
            let (_, routes) = &self.planned[*planned];
            routes.iter().map(|route| (*host, route))
        })
    }

    /// Finds its hosts. What was planned for a listener stays, with its bytes.
    fn place(&mut self, hosts: &Hosts, chain: &Chain) {
        let served = hosts.served(&self.route.hostnames, &self.listeners, &chain.listeners);
        let owner = |host: &usize| hosts.list()[*host].listener;
        let mut owners: Vec<usize> = served.iter().map(owner).collect();
        owners.sort_unstable();
        owners.dedup();

        let mut before = mem::take(&mut self.planned);
        let kept_or_new = |listener: &usize| {
            let kept = before.binary_search_by_key(listener, |(listener, _)| *listener);
            let routes = match kept {
                Ok(position) => mem::take(&mut before[position].1),
                Err(_) => plan(&self.route, &chain.listeners[*listener]),
            };
            (*listener, routes)
        };
        self.planned = owners.iter().map(kept_or_new).collect();
        let placed = served.into_iter().map(|host| {
            // Each owner is among them.
            let planned = owners.binary_search(&owner(&host)).unwrap_or_default();
            (host, planned)
        });
        self.hosts = placed.collect();
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
