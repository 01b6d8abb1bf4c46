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
    plan::{destination::Destination, services::Services},
};

/// What goes to a cluster. One that gets TCP and HTTP is made for HTTP, with which TCP goes as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Carries {
    Tcp,
    Http,
    /// Whatever its instances speak.
    AsSpoken,
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

    /// Keeps these clusters, given by name and destination, and no others; whether that made a difference.
    pub(super) fn keep<'a>(
        &mut self,
        needed: impl Iterator<Item = (&'a Arc<str>, &'a Arc<Destination>, Carries)>,
        services: &Services,
        zone: &str,
    ) -> bool {
        let mut wanted: BTreeMap<&Arc<str>, (&Arc<Destination>, Carries)> = BTreeMap::new();
        for (name, destination, carries) in needed {
            let (_, most) = wanted.entry(name).or_insert((destination, carries));
            *most = carries.max(*most);
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
        for (name, (destination, carries)) in wanted {
            match self.by_name.get_mut(name) {
                Some(cluster) if cluster.carries == carries => continue,
                Some(cluster) => cluster.carries = carries,
                None => self.add(name, destination, carries),
            }
            differs |= self.encode(name, services, zone);
        }
        differs
    }

    fn add(&mut self, name: &Arc<str>, destination: &Arc<Destination>, carries: Carries) {
        let service = destination.service().into();
        self.by_service
            .entry(service)
            .or_default()
            .push(name.clone());
        let cluster = Cluster {
            destination: destination.clone(),
            carries,
            faults: Vec::new(),
        };
        self.by_name.insert(name.clone(), cluster);
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
            envoy::cluster(name, upstream),
        );
        replace(&mut self.load_assignments, name.clone(), endpoints) | differs
    }
}
