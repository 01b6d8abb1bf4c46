//! The clusters of one group, and their endpoints.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::group::replace;
use crate::{
    compiled::Resources,
    envoy::{self, Upstream},
    fault::Fault,
    plan::{destination::Destination, policy::Chosen, services::Services},
};

/// What goes to a cluster. One that gets TCP and HTTP is made for HTTP, with which TCP goes as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Carries {
    Tcp,
    Http,
    /// Whatever its instances speak.
    AsSpoken,
}

/// A cluster that something needs.
#[derive(Clone, Copy)]
pub(super) struct Needed<'a> {
    pub(super) name: &'a Arc<str>,
    pub(super) destination: &'a Arc<Destination>,
    pub(super) carries: Carries,
    /// The policies for its connections; the name says for which listener's.
    pub(super) chosen: &'a Arc<Chosen>,
}

/// The clusters, each of one destination.
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
    carries: Carries,
    chosen: Arc<Chosen>,
    /// Endpoints that had to be left out.
    faults: Vec<Fault>,
}

impl Cluster {
    fn is_as(&self, needed: &Needed<'_>) -> bool {
        self.carries == needed.carries && self.chosen == *needed.chosen
    }
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

    /// Keeps these clusters and no others; whether that made a difference.
    pub(super) fn keep<'a>(
        &mut self,
        needed: impl Iterator<Item = Needed<'a>>,
        services: &Services,
        zone: &str,
    ) -> bool {
        let mut wanted: BTreeMap<&Arc<str>, Needed<'a>> = BTreeMap::new();
        for needed in needed {
            let wanted = wanted.entry(needed.name).or_insert(needed);
            wanted.carries = needed.carries.max(wanted.carries);
        }
        let gone: Vec<Arc<str>> = self
            .by_name
            .keys()
            .filter(|name| !wanted.contains_key(name))
            .cloned()
            .collect();
        let mut differs = !gone.is_empty();
        for name in gone {
            if let Some(cluster) = self.by_name.remove(&name) {
                self.forget_service(&name, cluster.destination.service());
            }
            Arc::make_mut(&mut self.clusters).remove(&name);
            Arc::make_mut(&mut self.load_assignments).remove(&name);
        }
        for (name, needed) in wanted {
            match self.by_name.get_mut(name) {
                Some(cluster) if cluster.is_as(&needed) => continue,
                Some(cluster) => {
                    cluster.carries = needed.carries;
                    cluster.chosen = needed.chosen.clone();
                }
                None => self.add(needed),
            }
            differs |= self.encode(name, services, zone);
        }
        differs
    }

    fn add(&mut self, needed: Needed<'_>) {
        let service = needed.destination.service().into();
        let of_service = self.by_service.entry(service).or_default();
        of_service.push(needed.name.clone());
        let cluster = Cluster {
            destination: needed.destination.clone(),
            carries: needed.carries,
            chosen: needed.chosen.clone(),
            faults: Vec::new(),
        };
        self.by_name.insert(needed.name.clone(), cluster);
    }

    fn forget_service(&mut self, cluster: &str, service: &str) {
        if let Some(names) = self.by_service.get_mut(service) {
            names.retain(|name| **name != *cluster);
            if names.is_empty() {
                self.by_service.remove(service);
            }
        }
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
        let upstream = match cluster.carries {
            Carries::Tcp => Upstream::Tcp,
            Carries::Http if services.speaks_http2(&cluster.destination) => Upstream::Http2,
            Carries::Http => Upstream::Http1,
            Carries::AsSpoken => services.spoken(&cluster.destination).into(),
        };
        let instances = services
            .instances(&cluster.destination)
            .map(|instance| &**instance);
        cluster.faults.clear();
        let endpoints = envoy::load_assignment(name, zone, instances, &mut cluster.faults);
        let differs = replace(
            &mut self.clusters,
            name.clone(),
            envoy::cluster(name, upstream, &cluster.chosen),
        );
        replace(&mut self.load_assignments, name.clone(), endpoints) | differs
    }
}
