//! DELEGATED gateway instances with equal tags and outbounds: one set of listeners and clusters for all.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
};

use portolan_model::{ResourceKey, kinds::DATAPLANE, tags::SERVICE};

use super::{
    Sources,
    clusters::{Carries, Clusters, Needed},
    external::Reach,
    observed::Observed,
    resources::replace,
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
    /// Of a member, its own address; nothing of a group.
    address: Option<Box<str>>,
    /// Where its data plane takes lines for collectors of access logs, if it takes any.
    log_pipe: Option<Box<str>>,
    /// With the names of their clusters and the policies for them.
    outbounds: Vec<(Outbound, Arc<str>, Arc<Chosen>)>,
    observed: Observed,
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
            address: None,
            log_pipe: None,
            observed: Observed::default(),
            instance,
            members: BTreeSet::new(),
            stale: Stale::Everything,
            listeners: Resources::default(),
            clusters: Clusters::default(),
            certificates: Resources::default(),
            compiled: None,
        }
    }

    /// That of the one member at this address.
    pub(super) fn of_member(
        name: &Arc<str>,
        address: &str,
        outbound: Arc<DelegatedInstance>,
    ) -> Self {
        let mut group = Self::new(outbound);
        group.address = Some(address.into());
        group.join(name);
        group
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

    /// Some proxy policy of the mesh, or the Mesh, changed.
    pub(super) fn proxy_policies_changed(&mut self) {
        self.observed.is_stale = true;
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

    /// The configuration of every instance. `log_pipe` counts for a member alone.
    pub(super) fn compile(
        &mut self,
        mesh: &Arc<str>,
        log_pipe: Option<&str>,
        sources: &Sources,
        zone: &str,
    ) -> Arc<Compiled> {
        let log_pipe = log_pipe.filter(|_| self.address.is_some());
        if self.log_pipe.as_deref() != log_pipe {
            self.log_pipe = log_pipe.map(Box::from);
            self.stale = Stale::Everything;
        }
        if self.refresh(mesh, sources, zone) {
            self.compiled = None;
        }
        if let Some(compiled) = &self.compiled {
            return compiled.clone();
        }
        let mut compiled = self.assemble(mesh);
        // A member has more than its outbounds.
        if self.address.is_none() {
            self.observed.modify(&mut compiled);
        }
        self.compiled.insert(Arc::new(compiled)).clone()
    }

    /// What is traced and changed.
    pub(super) fn observed(&mut self) -> &mut Observed {
        &mut self.observed
    }

    /// Takes over what changed; whether that made a difference.
    fn refresh(&mut self, mesh: &Arc<str>, sources: &Sources, zone: &str) -> bool {
        let instance = self.instance.clone();
        let reach = sources.reach(zone, &instance.tags, instance.ipv6);
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
                let mut differs = self.clusters.keep(needed, &reach);
                self.collect_certificates();
                if mem::take(&mut self.observed.is_stale) {
                    let to = self.outbounds.iter();
                    let to = to.map(|(outbound, ..)| outbound.destination.tags());
                    let collector =
                        self.observed
                            .choose(mesh, &instance.tags, to, &sources.proxy_policies);
                    self.clusters.set_static(collector);
                    differs = true;
                }
                // Without a listener there is nothing yet.
                self.listen(|_| true, mesh, &reach) | differs | self.compiled.is_none()
            }
            Stale::Services(changed) if changed.is_empty() => false,
            Stale::Services(changed) => {
                let before: Vec<_> = self.clusters.faults().cloned().collect();
                let differs = self.clusters.update(&changed, &reach);
                let differs = self.collect_certificates() | differs;
                let differs =
                    self.listen(|service| changed.contains(service), mesh, &reach) | differs;
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
    fn listen(&mut self, is_meant: impl Fn(&str) -> bool, mesh: &str, reach: &Reach<'_>) -> bool {
        let service = self.instance.tags.get(SERVICE).map_or("", String::as_str);
        let mut differs = false;
        for (position, (outbound, cluster, chosen)) in self.outbounds.iter().enumerate() {
            let destination = outbound.destination.service();
            if !is_meant(destination) {
                continue;
            }
            let backend = self.observed.log(position);
            let logged = backend.zip(self.address.as_deref());
            let sender = envoy::Sender {
                service,
                tags: &self.instance.told,
                logged: logged.map(|(backend, address)| envoy::Logged {
                    backend,
                    pipe: self.log_pipe.as_deref(),
                    mesh,
                    zone: reach.zone,
                    service,
                    address,
                    destination,
                    direction: "OUTBOUND",
                }),
                traced: self.observed.traced(),
            };
            let spoken = reach.spoken(&outbound.destination);
            let listener = envoy::outbound_listener(outbound, cluster, chosen, spoken, &sender);
            differs |= replace(&mut self.listeners, outbound.listener_name(), listener);
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
        let mut faults: BTreeSet<Fault> = own.chain(self.clusters.faults().cloned()).collect();
        let of_member = self.address.as_ref().and(self.members.first());
        faults.extend(
            self.observed
                .faults(mesh, of_member, self.log_pipe.is_some()),
        );
        faults.into_iter().collect()
    }
}
