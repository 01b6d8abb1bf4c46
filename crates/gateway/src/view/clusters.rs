//! The clusters of one group, and their endpoints.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::group::replace;
use crate::{
    compiled::Resources,
    envoy,
    fault::Fault,
    plan::{
        destination::{Destination, cluster_name},
        services::Services,
        table::Route,
    },
};

/// One cluster for each destination behind each listener that needs it.
#[derive(Debug, Default)]
pub(super) struct Clusters {
    by_name: BTreeMap<Arc<str>, Cluster>,
    /// Names of the clusters of each service.
    by_service: HashMap<Box<str>, Vec<Arc<str>>>,
    clusters: Resources,
    load_assignments: Resources,
}

#[derive(Debug)]
struct Cluster {
    destination: Arc<Destination>,
    /// Endpoints that had to be left out.
    faults: Vec<Fault>,
}

impl Clusters {
    /// The clusters, encoded.
    pub(super) fn clusters(&self) -> &Resources {
        &self.clusters
    }

    /// Their endpoints, encoded.
    pub(super) fn load_assignments(&self) -> &Resources {
        &self.load_assignments
    }

    /// What had to be left out.
    pub(super) fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.by_name.values().flat_map(|cluster| &cluster.faults)
    }

    /// Whether some cluster has instances of this service.
    pub(super) fn has_service(&self, service: &str) -> bool {
        self.by_service.contains_key(service)
    }

    /// Keeps the clusters that these routes need, and no others; whether any came or went.
    pub(super) fn keep<'a>(
        &mut self,
        routes: impl Iterator<Item = &'a Arc<Route>>,
        services: &Services,
        zone: &str,
    ) -> bool {
        let needed = needed(routes);
        let gone: Vec<_> = self
            .by_name
            .keys()
            .filter(|name| !needed.contains_key(*name))
            .cloned()
            .collect();
        let new: Vec<_> = needed
            .into_iter()
            .filter(|(name, _)| !self.by_name.contains_key(name))
            .collect();
        if gone.is_empty() && new.is_empty() {
            return false;
        }
        for name in gone {
            self.by_name.remove(&name);
            Arc::make_mut(&mut self.clusters).remove(&name);
            Arc::make_mut(&mut self.load_assignments).remove(&name);
        }
        for (name, destination) in new {
            self.by_name.insert(
                name.clone(),
                Cluster {
                    destination,
                    faults: Vec::new(),
                },
            );
            self.encode(&name, services, zone);
        }
        self.by_service.clear();
        for (name, cluster) in &self.by_name {
            let service = cluster.destination.service().into();
            self.by_service
                .entry(service)
                .or_default()
                .push(name.clone());
        }
        true
    }

    /// Takes over the instances of these services; whether that made a difference.
    pub(super) fn update(
        &mut self,
        changed: &BTreeSet<Box<str>>,
        services: &Services,
        zone: &str,
    ) -> bool {
        let names = changed
            .iter()
            .filter_map(|service| self.by_service.get(service));
        let names: Vec<_> = names.flatten().cloned().collect();
        names.iter().fold(false, |differs, name| {
            self.encode(name, services, zone) | differs
        })
    }

    fn encode(&mut self, name: &Arc<str>, services: &Services, zone: &str) -> bool {
        let Some(cluster) = self.by_name.get_mut(name) else {
            return false;
        };
        let http2 = services.speaks_http2(&cluster.destination);
        let instances = services
            .instances(&cluster.destination)
            .map(|instance| &**instance);
        cluster.faults.clear();
        let endpoints = envoy::load_assignment(name, zone, instances, &mut cluster.faults);
        let differs = replace(
            &mut self.clusters,
            name.clone(),
            envoy::cluster(name, http2),
        );
        replace(&mut self.load_assignments, name.clone(), endpoints) | differs
    }
}

/// The destinations of these routes by the name of their cluster.
fn needed<'a>(
    routes: impl Iterator<Item = &'a Arc<Route>>,
) -> BTreeMap<Arc<str>, Arc<Destination>> {
    // Thousands of routes share a few destinations, and finding a name costs more than comparing
    // addresses.
    let mut seen = HashSet::new();
    let mut needed = BTreeMap::new();
    for route in routes {
        for destination in route.entry.action.destinations() {
            if seen.insert((Arc::as_ptr(destination), Arc::as_ptr(&route.listener))) {
                let name = cluster_name(destination, &route.listener.tags);
                needed.insert(name, destination.clone());
            }
        }
    }
    needed
}
