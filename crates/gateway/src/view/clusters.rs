//! The clusters of one group, and their endpoints.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    external::Reach,
    resources::{replace, take_out},
    secrets::Issued,
};
use crate::{
    compiled::Resources,
    envoy::{self, Encoded, Upstream},
    fault::Fault,
    plan::{destination::Destination, external::External, mtls::Mtls, policy::Chosen},
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
    /// The cluster that is not there for a route.
    fixed: Option<Arc<str>>,
    clusters: Resources,
    /// Of clusters that do not have their endpoints with them.
    load_assignments: Resources,
    /// Whether other certificates are shown to external services than when that was asked.
    certificates_changed: bool,
    /// The mutual TLS that the clusters are made for.
    mtls: Option<Mtls>,
}

#[derive(Debug)]
struct Cluster {
    destination: Arc<Destination>,
    carries: Carries,
    chosen: Arc<Chosen>,
    /// What is shown to external services that ask for it.
    certificates: Vec<Issued>,
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

    /// The certificates that are shown to external services; some may come more than once.
    pub(super) fn certificates(&self) -> impl Iterator<Item = &Issued> {
        let clusters = self.by_name.values();
        clusters.flat_map(|cluster| &cluster.certificates)
    }

    /// Whether these are other ones than when this was last asked.
    pub(super) fn take_certificates_changed(&mut self) -> bool {
        std::mem::take(&mut self.certificates_changed)
    }

    /// All services that some cluster has instances of.
    pub(super) fn services(&self) -> impl Iterator<Item = &Box<str>> {
        self.by_service.keys()
    }

    /// Whether some cluster has instances of this service.
    pub(super) fn has_service(&self, service: &str) -> bool {
        self.by_service.contains_key(service)
    }

    /// Puts this cluster beside those of routes, in the place of the one before it.
    pub(super) fn set_static(&mut self, cluster: Option<(Arc<str>, Encoded)>) {
        if self.fixed.is_none() && cluster.is_none() {
            return;
        }
        let clusters = Arc::make_mut(&mut self.clusters);
        if let Some(name) = self.fixed.take() {
            clusters.remove(&name);
        }
        if let Some((name, encoded)) = cluster {
            clusters.insert(name.clone(), encoded);
            self.fixed = Some(name);
        }
    }

    /// Keeps these clusters and no others; whether that made a difference.
    pub(super) fn keep<'a>(
        &mut self,
        needed: impl Iterator<Item = Needed<'a>>,
        reach: &Reach<'_>,
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
        let other_mtls = self.take_mtls(reach);
        for name in gone {
            if let Some(cluster) = self.by_name.remove(&name) {
                self.certificates_changed |= !cluster.certificates.is_empty();
                self.forget_service(&name, cluster.destination.service());
            }
            take_out(&mut self.clusters, &name);
            take_out(&mut self.load_assignments, &name);
        }
        for (name, needed) in wanted {
            match self.by_name.get_mut(name) {
                Some(cluster) if cluster.is_as(&needed) && !other_mtls => continue,
                Some(cluster) => {
                    cluster.carries = needed.carries;
                    cluster.chosen = needed.chosen.clone();
                }
                None => self.add(needed),
            }
            differs |= self.encode(name, reach);
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
            certificates: Vec::new(),
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
    pub(super) fn update(&mut self, changed: &BTreeSet<Box<str>>, reach: &Reach<'_>) -> bool {
        let names: Vec<_> = if self.take_mtls(reach) {
            self.by_name.keys().cloned().collect()
        } else {
            let names = changed
                .iter()
                .filter_map(|service| self.by_service.get(service));
            names.flatten().cloned().collect()
        };
        names
            .iter()
            .fold(false, |differs, name| self.encode(name, reach) | differs)
    }

    /// Whether the mutual TLS is another one than the clusters were made for.
    fn take_mtls(&mut self, reach: &Reach<'_>) -> bool {
        let differs = self.mtls.as_ref() != reach.mtls;
        self.mtls = reach.mtls.cloned();
        differs
    }

    fn encode(&mut self, name: &Arc<str>, reach: &Reach<'_>) -> bool {
        let Some(cluster) = self.by_name.get_mut(name) else {
            return false;
        };
        let upstream = match cluster.carries {
            Carries::Tcp => Upstream::Tcp,
            Carries::Http if reach.speaks_http2(&cluster.destination) => Upstream::Http2,
            Carries::Http => Upstream::Http1,
            Carries::AsSpoken => reach.spoken(&cluster.destination).into(),
        };
        let destination = cluster.destination.clone();
        let external = reach.external(&destination);
        cluster.faults.clear();
        let mut certificates = Vec::new();
        let (encoded, endpoints) = if external.is_empty() {
            let instances = reach.among(&destination).instances(&destination);
            let spread = reach.spread(&destination, &mut cluster.faults);
            let endpoints = envoy::Endpoints {
                zone: reach.zone,
                own: instances.map(|instance| &**instance),
                elsewhere: &spread,
                prefers_own_zone: reach.mtls.is_some_and(|mtls| mtls.prefers_own_zone),
            };
            (
                envoy::cluster(
                    name,
                    upstream,
                    &cluster.chosen,
                    reach.mtls.map(|mtls| (mtls, &*destination)),
                ),
                Some(envoy::load_assignment(name, endpoints, &mut cluster.faults)),
            )
        } else {
            let faults = external.iter().flat_map(|one| &one.faults);
            cluster.faults.extend(faults.cloned());
            certificates.extend(external.iter().filter_map(|one| shown_to(one)));
            let members = envoy::Members {
                all: &external,
                zone: reach.zone,
                prefers_own_zone: reach.externals.prefers_own_zone(),
                ipv6: reach.ipv6,
            };
            let encoded = envoy::external_cluster(name, upstream, &cluster.chosen, members);
            (encoded, None)
        };
        self.certificates_changed |= cluster.certificates != certificates;
        cluster.certificates = certificates;
        let differs = replace(&mut self.clusters, name.clone(), encoded);
        let differ = match endpoints {
            Some(endpoints) => replace(&mut self.load_assignments, name.clone(), endpoints),
            None => take_out(&mut self.load_assignments, name),
        };
        differs | differ
    }
}

fn shown_to(external: &External) -> Option<Issued> {
    let tls = external.endpoint.as_ref()?.tls.as_ref()?;
    tls.client.as_ref().map(Issued::new)
}
