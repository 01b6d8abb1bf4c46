//! The route table of a chain: for each virtual host, its routes in the order in which they are tried.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    mem,
    sync::{Arc, OnceLock},
};

use smallvec::SmallVec;

use super::{
    destination::Destination,
    entry::{Entry, Specificity},
    hosts::{self, Host, Hosts},
    needs::Needs,
    policy::{Chosen, Defaults, Policies},
    port::{Chain, Listener},
    route::HttpRoute,
};
use crate::fault::Fault;

/// Up to so many changed routes are put where they belong one by one.
const FEW_ROUTES: usize = 64;

/// HTTP routes of a mesh by name.
pub type Routes = BTreeMap<Arc<str>, Arc<HttpRoute>>;

/// An entry on the hosts of one listener.
#[derive(Debug)]
pub struct Route {
    /// What it takes and what it does.
    pub entry: Arc<Entry>,
    /// The listener whose tags choose its clusters and policies.
    pub listener: Arc<Listener>,
    /// The policies for its requests, whichever backend they go to.
    pub chosen: Arc<Chosen>,
    /// What the next step made of it, kept here so that it lives exactly as long as this value.
    pub(crate) encoded: OnceLock<Box<[u8]>>,
}

impl Route {
    fn new(entry: &Arc<Entry>, listener: &Arc<Listener>, chosen: Arc<Chosen>) -> Self {
        Self {
            entry: entry.clone(),
            listener: listener.clone(),
            chosen,
            encoded: OnceLock::new(),
        }
    }
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
    defaults: Defaults,
    /// Names of the bound routes with something that had to be left out.
    faulty: BTreeSet<Arc<str>>,
}

/// A route that belongs to some listeners of the chain.
#[derive(Debug)]
struct Binding {
    route: Arc<HttpRoute>,
    /// Positions of its listeners.
    listeners: Few<usize>,
    /// Positions of the hosts that it serves, each with the position in `planned` of its listener.
    hosts: Few<(usize, usize)>,
    /// Its entries for each listener that owns some of these hosts, ordered by listener.
    planned: Few<(usize, Few<Arc<Route>>)>,
}

/// Most routes have one listener, one host and one match: a list of one needs no allocation.
type Few<T> = SmallVec<[T; 1]>;

/// What an update made different.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Some host has other routes, or there are other hosts.
    pub routes: bool,
    /// Other clusters are needed.
    pub clusters: bool,
}

impl RouteTable {
    /// The table with all routes that belong to some listener of the chain.
    pub fn new(chain: Arc<Chain>, routes: &Routes, policies: &Policies) -> Self {
        let hosts = Hosts::new(&chain.listeners, &BTreeSet::new());
        let (needs, faulty) = Default::default();
        let mut table = Self {
            routes: vec![Vec::new(); hosts.list().len()],
            chain,
            hosts,
            bindings: HashMap::with_capacity(routes.len()),
            needs,
            defaults: policies.defaults(),
            faulty,
        };
        let all = routes.iter().map(|(name, route)| (name, Some(route)));
        table.take(all, policies);
        table
    }

    /// The chain.
    pub fn chain(&self) -> &Arc<Chain> {
        &self.chain
    }

    /// What counts for routes of which no policy says otherwise.
    pub fn defaults(&self) -> Defaults {
        self.defaults
    }

    /// The virtual hosts, the most specific first, each with its routes in order.
    pub fn hosts(&self) -> impl Iterator<Item = (&Host, &[Arc<Route>])> {
        self.hosts
            .list()
            .iter()
            .zip(self.routes.iter().map(Vec::as_slice))
    }

    /// The clusters that routes need: name, destination and policies. Some may come more than once.
    pub fn clusters(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Destination>, &Arc<Chosen>)> {
        let clusters = self.needs.clusters();
        clusters.map(|(destination, need)| (&need.cluster, destination, &need.chosen))
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
    pub fn update(
        &mut self,
        routes: &Routes,
        names: &BTreeSet<Arc<str>>,
        policies: &Policies,
    ) -> Changes {
        let named = names.iter().map(|name| (name, routes.get(name)));
        self.take(named, policies)
    }

    /// Chooses policies anew.
    pub fn choose(&mut self, policies: &Policies) -> Changes {
        self.defaults = policies.defaults();
        if !self.needs.choose(&self.chain.listeners, policies) {
            return Changes::default();
        }
        let mut differs = false;
        for binding in self.bindings.values_mut() {
            for (listener, routes) in &mut binding.planned {
                for route in routes {
                    let chosen = self.needs.chosen(*listener, &route.entry.action);
                    if route.chosen != chosen {
                        *route = Arc::new(Route::new(&route.entry, &route.listener, chosen));
                        differs = true;
                    }
                }
            }
        }
        if differs {
            self.fill();
        }
        Changes {
            routes: differs,
            clusters: self.needs.take_changed(),
        }
    }

    fn take<'a>(
        &mut self,
        routes: impl Iterator<Item = (&'a Arc<str>, Option<&'a Arc<HttpRoute>>)>,
        policies: &Policies,
    ) -> Changes {
        let mut hosts_may_change = false;
        let mut old = Vec::new();
        let mut new = Vec::with_capacity(routes.size_hint().0);
        for (name, route) in routes {
            self.faulty.remove(name);
            let before = self.bindings.remove(name);
            let after = route.and_then(|route| Binding::new(route, &self.chain));
            hosts_may_change |= match (&before, &after) {
                (Some(before), Some(after)) => !before.names_as(after),
                (before, after) => before.iter().chain(after).any(Binding::names_hosts),
            };
            if after.as_ref().is_some_and(Binding::is_faulty) {
                self.faulty.insert(name.clone());
            }
            old.extend(before);
            new.extend(after);
        }
        if old.is_empty() && new.is_empty() {
            return Changes::default();
        }
        // What comes is added before what goes is removed: clusters that both need stay.
        if hosts_may_change && self.rebuild_hosts(&new) {
            self.bind(new);
            self.place_all(policies);
        } else {
            self.replace(&old, new, policies);
        }
        for (listener, route) in old.iter().flat_map(Binding::planned) {
            self.needs.remove(listener, &route.entry.action);
        }
        Changes {
            routes: true,
            clusters: self.needs.take_changed(),
        }
    }

    /// Says whether there are other hosts than before, with these bindings that come.
    fn rebuild_hosts(&mut self, new: &[Binding]) -> bool {
        let listeners = &self.chain.listeners;
        let named = self.bindings.values().chain(new).flat_map(|binding| {
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
    fn place_all(&mut self, policies: &Policies) {
        for binding in self.bindings.values_mut() {
            binding.place(&self.hosts, &self.chain, &mut self.needs, policies);
        }
        self.fill();
    }

    /// Puts `new` in the place of `old`, on the same hosts as before.
    fn replace(&mut self, old: &[Binding], mut new: Vec<Binding>, policies: &Policies) {
        for binding in &mut new {
            binding.place(&self.hosts, &self.chain, &mut self.needs, policies);
        }
        // Each route that comes or goes moves those behind it; many are better dealt out anew.
        if old.len() + new.len() > FEW_ROUTES {
            self.bind(new);
            self.fill();
            return;
        }
        for (host, route) in old.iter().flat_map(Binding::served) {
            let list = &mut self.routes[host];
            if let Ok(position) = list.binary_search_by(|other| other.entry.cmp(&route.entry)) {
                list.remove(position);
            }
        }
        for (host, route) in new.iter().flat_map(Binding::served) {
            let list = &mut self.routes[host];
            let position = list.partition_point(|other| other.entry < route.entry);
            list.insert(position, route.clone());
        }
        self.bind(new);
    }

    fn bind(&mut self, new: Vec<Binding>) {
        let named = new.into_iter();
        self.bindings
            .extend(named.map(|binding| (binding.route.author.name().clone(), binding)));
    }

    /// Deals all entries out to the hosts, in the order in which they are tried.
    fn fill(&mut self) {
        self.routes.iter_mut().for_each(Vec::clear);
        self.routes.resize_with(self.hosts.list().len(), Vec::new);
        // The order is the same on every host, so one sort does for all.
        let mut ordered: Vec<_> = self.bindings.values().flat_map(Binding::entries).collect();
        ordered.sort_unstable_by(|(left, ours, _), (right, theirs, _)| {
            left.cmp(right)
                .then_with(|| ours.cmp_equally_specific(theirs))
        });
        for (_, entry, binding) in ordered {
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
        let listeners: Few<_> = (0..chain.listeners.len())
            .filter(|position| route.selects(&chain.listeners[*position].tags))
            .collect();
        (!listeners.is_empty()).then(|| Self {
            route: route.clone(),
            listeners,
            hosts: Few::new(),
            planned: Few::new(),
        })
    }

    fn is_faulty(&self) -> bool {
        !self.route.faults.is_empty()
    }

    fn names_hosts(&self) -> bool {
        !self.route.hostnames.is_empty()
    }

    /// Whether it names the same hosts on the same listeners.
    fn names_as(&self, other: &Self) -> bool {
        self.route.hostnames == other.route.hostnames
            && (self.listeners == other.listeners || !self.names_hosts())
    }

    /// Its entries, each with what decides first in their order.
    fn entries(&self) -> impl Iterator<Item = (Specificity, &Entry, &Self)> {
        let entries = self.route.entries.iter();
        entries.map(move |entry| (entry.specificity(), &**entry, self))
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
    fn place(&mut self, hosts: &Hosts, chain: &Chain, needs: &mut Needs, policies: &Policies) {
        let served = hosts.served(&self.route.hostnames, &self.listeners, &chain.listeners);
        let owner = |host: &usize| hosts.list()[*host].listener;
        let mut owners: Few<usize> = served.iter().map(owner).collect();
        owners.sort_unstable();
        owners.dedup();

        let mut before = mem::take(&mut self.planned);
        let kept_or_new = |listener: &usize| {
            let kept = before.binary_search_by_key(listener, |(listener, _)| *listener);
            let routes = match kept {
                Ok(position) => mem::take(&mut before[position].1),
                Err(_) => {
                    let listener = (*listener, &chain.listeners[*listener]);
                    plan(&self.route, listener, needs, policies)
                }
            };
            (*listener, routes)
        };
        self.planned = owners.iter().map(kept_or_new).collect();
        for (listener, gone) in &before {
            for route in gone {
                needs.remove(*listener, &route.entry.action);
            }
        }
        let placed = served.into_iter().map(|host| {
            // Each owner is among them.
            let planned = owners.binary_search(&owner(&host)).unwrap_or_default();
            (host, planned)
        });
        self.hosts = placed.collect();
    }
}

fn plan(
    route: &HttpRoute,
    (position, listener): (usize, &Arc<Listener>),
    needs: &mut Needs,
    policies: &Policies,
) -> Few<Arc<Route>> {
    let routes = route.entries.iter().map(|entry| {
        let chosen = needs.add((position, listener), &entry.action, policies);
        Arc::new(Route::new(entry, listener, chosen))
    });
    routes.collect()
}
