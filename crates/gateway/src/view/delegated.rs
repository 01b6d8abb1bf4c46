//! DELEGATED gateway instances with equal tags and outbounds: one set of listeners and clusters for all.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
};

use portolan_model::{ResourceKey, kinds::DATAPLANE};

use super::{
    Sources,
    clusters::{Carries, Clusters, Needed},
    external::Reach,
    group::replace,
};
use crate::{
    compiled::{Compiled, Resources, Trusts},
    envoy,
    fault::Fault,
    plan::{
        outbound::{DelegatedInstance, Outbound},
        policy::Chosen,
    },
};

/// One group and what was compiled for it.
#[derive(Debug)]
pub(super) struct DelegatedGroup {
    instance: Arc<DelegatedInstance>,
    /// The names of its Dataplanes.
    members: BTreeSet<Arc<str>>,
    stale: Stale,
    /// With the names of their clusters and the policies for them.
    outbounds: Vec<(Outbound, Arc<str>, Arc<Chosen>)>,
    listeners: Resources,
    clusters: Clusters,
    /// What is shown to external services.
    certificates: Resources,
    /// What every instance gets; nothing while something changed.
    compiled: Option<Arc<Compiled>>,
}

/// What changed since the group was compiled.
#[derive(Debug)]
enum Stale {
    Everything,
    Services(BTreeSet<Box<str>>),
}

impl Default for Stale {
    fn default() -> Self {
        Self::Services(BTreeSet::new())
    }
}

impl DelegatedGroup {
    /// A group without instances, not compiled yet.
    pub(super) fn new(instance: Arc<DelegatedInstance>) -> Self {
        let outbounds = instance.outbounds.iter();
        let outbounds =
            outbounds.map(|outbound| (outbound.clone(), outbound.cluster_name(), Arc::default()));
        Self {
            outbounds: outbounds.collect(),
            instance,
            members: BTreeSet::new(),
            stale: Stale::Everything,
            listeners: Resources::default(),
            clusters: Clusters::default(),
            certificates: Resources::default(),
            compiled: None,
        }
    }

    /// Adds an instance.
    pub(super) fn join(&mut self, name: &Arc<str>) {
        self.members.insert(name.clone());
        self.told_by_another();
    }

    /// Removes an instance.
    pub(super) fn leave(&mut self, name: &str) {
        self.members.remove(name);
        self.told_by_another();
    }

    /// What was left out is told of one of the Dataplanes, which may be another now.
    fn told_by_another(&mut self) {
        if !self.instance.left_out.is_empty() {
            self.compiled = None;
        }
    }

    /// Whether no instance is left.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Some policy of the mesh changed.
    pub(super) fn policies_changed(&mut self) {
        self.stale = Stale::Everything;
    }

    /// The mutual TLS of the mesh changed.
    pub(super) fn mtls_changed(&mut self) {
        if let Stale::Services(stale) = &mut self.stale {
            stale.extend(self.clusters.services().cloned());
        }
    }

    /// Instances of these services changed.
    pub(super) fn services_changed(&mut self, services: &BTreeSet<&str>) {
        let Stale::Services(stale) = &mut self.stale else {
            return;
        };
        let known = services
            .iter()
            .filter(|service| self.clusters.has_service(service));
        stale.extend(known.map(|service| Box::from(*service)));
    }

    /// The configuration of every instance.
    pub(super) fn compile(
        &mut self,
        mesh: &Arc<str>,
        sources: &Sources,
        zone: &str,
    ) -> Arc<Compiled> {
        if self.refresh(sources, zone) {
            self.compiled = None;
        }
        if let Some(compiled) = &self.compiled {
            return compiled.clone();
        }
        let compiled = Arc::new(self.assemble(mesh));
        self.compiled.insert(compiled).clone()
    }

    /// Takes over what changed; whether that made a difference.
    fn refresh(&mut self, sources: &Sources, zone: &str) -> bool {
        let instance = self.instance.clone();
        let reach = Reach {
            services: &sources.services,
            offers: &sources.offers,
            externals: &sources.externals,
            mtls: sources.mtls.as_ref(),
            zone,
            source: &instance.tags,
            ipv6: instance.ipv6,
        };
        match mem::take(&mut self.stale) {
            Stale::Everything => {
                for (outbound, _, chosen) in &mut self.outbounds {
                    let source = &self.instance.tags;
                    *chosen = sources
                        .policies
                        .choose(source, &outbound.destination)
                        .into();
                }
                let needed = self.outbounds.iter();
                let needed = needed.map(|(outbound, name, chosen)| Needed {
                    name,
                    destination: &outbound.destination,
                    carries: Carries::AsSpoken,
                    chosen,
                });
                let differs = self.clusters.keep(needed, &reach);
                self.collect_certificates();
                // Without a listener there is nothing yet.
                self.listen(|_| true, &reach) | differs | self.compiled.is_none()
            }
            Stale::Services(changed) if changed.is_empty() => false,
            Stale::Services(changed) => {
                let before: Vec<_> = self.clusters.faults().cloned().collect();
                let differs = self.clusters.update(&changed, &reach);
                let differs = self.collect_certificates() | differs;
                let differs = self.listen(|service| changed.contains(service), &reach) | differs;
                differs || !self.clusters.faults().eq(&before)
            }
        }
    }

    /// Collects the certificates that are shown; whether any differs from before.
    fn collect_certificates(&mut self) -> bool {
        if !self.clusters.take_certificates_changed() {
            return false;
        }
        let shown = self.clusters.certificates();
        let shown = shown.map(|one| (one.name.clone(), one.encoded.clone()));
        self.certificates = Arc::new(shown.collect());
        true
    }

    /// Makes the listeners for these services anew; whether any differs.
    fn listen(&mut self, is_meant: impl Fn(&str) -> bool, reach: &Reach<'_>) -> bool {
        let mut differs = false;
        for (outbound, cluster, chosen) in &self.outbounds {
            if is_meant(outbound.destination.service()) {
                let spoken = reach.spoken(&outbound.destination);
                let tags = &self.instance.told;
                let listener = envoy::outbound_listener(outbound, cluster, chosen, spoken, tags);
                differs |= replace(&mut self.listeners, outbound.listener_name(), listener);
            }
        }
        differs
    }

    fn assemble(&self, mesh: &Arc<str>) -> Compiled {
        Compiled {
            gateway: None,
            is_delegated: true,
            is_member: false,
            resources: BTreeMap::from([
                (envoy::CLUSTER, self.clusters.clusters().clone()),
                (
                    envoy::CLUSTER_LOAD_ASSIGNMENT,
                    self.clusters.load_assignments().clone(),
                ),
                (envoy::LISTENER, self.listeners.clone()),
                (envoy::ROUTE_CONFIGURATION, Resources::default()),
                (envoy::RUNTIME_LAYER, Resources::default()),
                (envoy::SECRET, self.certificates.clone()),
            ]),
            ticket_keys: None,
            faults: self.faults(mesh),
            trusts: self.trusts(),
        }
    }

    /// The meshes whose gateways it reaches.
    fn trusts(&self) -> Trusts {
        let destinations = self.instance.outbounds.iter();
        let meshes = destinations.filter_map(|outbound| outbound.destination.mesh());
        Trusts {
            meshes: meshes.map(Arc::from).collect(),
            all: false,
        }
    }

    fn faults(&self, mesh: &Arc<str>) -> Arc<[Fault]> {
        let own = self.members.first().into_iter().flat_map(|name| {
            let left_out = self.instance.left_out.iter();
            left_out.map(|(field, reason)| Fault {
                resource: ResourceKey::in_mesh(DATAPLANE, mesh.clone(), name.clone()),
                field: field.clone(),
                reason: reason.clone(),
            })
        });
        let faults: BTreeSet<Fault> = own.chain(self.clusters.faults().cloned()).collect();
        faults.into_iter().collect()
    }
}
