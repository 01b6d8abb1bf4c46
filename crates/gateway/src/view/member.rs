//! A member of the mesh and what was compiled for it: its own ports, and those to other services, which are
//! made as for a DELEGATED gateway.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    mem,
    sync::Arc,
};

use portolan_model::{
    Resource, ResourceKey,
    kinds::{DATAPLANE, MESH, TRAFFIC_PERMISSION},
};

use super::{Mesh, Sources, ZoneView, delegated::DelegatedGroup, group::Group, resources::replace};
use crate::{
    compiled::{Compiled, Resources},
    envoy,
    fault::Fault,
    plan::{member::Member, mtls::Mtls},
};

/// One member.
#[derive(Debug)]
struct MemberView {
    member: Member,
    outbound: DelegatedGroup,
    /// Whether permissions, policies or mutual TLS changed.
    stale: bool,
    listeners: Resources,
    applications: Resources,
    /// What it gets, and what of that comes from its outbounds.
    compiled: Option<(Arc<Compiled>, Arc<Compiled>)>,
}

impl MemberView {
    /// The member of this name, not compiled yet.
    fn new(name: &Arc<str>, member: Member) -> Self {
        let outbound = member.outbound.clone();
        let outbound = DelegatedGroup::of_member(name, &member.address, outbound);
        let mut applications = Resources::default();
        for inbound in &member.inbounds {
            let cluster = envoy::application_cluster(inbound);
            replace(&mut applications, inbound.cluster_name(), cluster);
        }
        Self {
            member,
            outbound,
            stale: true,
            listeners: Resources::default(),
            applications,
            compiled: None,
        }
    }

    fn compile(
        &mut self,
        key: &ResourceKey,
        log_pipe: Option<&str>,
        sources: &Sources,
        zone: &str,
    ) -> Arc<Compiled> {
        let outbound = self.outbound.compile(&key.mesh, log_pipe, sources, zone);
        let listens = mem::take(&mut self.stale) && self.listen(sources);
        if let Some((compiled, from)) = &self.compiled
            && !listens
            && Arc::ptr_eq(from, &outbound)
        {
            return compiled.clone();
        }
        let mut compiled = self.assemble(key, &outbound);
        self.outbound.observed().modify(&mut compiled);
        let compiled = Arc::new(compiled);
        self.compiled = Some((compiled.clone(), outbound));
        compiled
    }

    /// Makes the listeners of the inbounds; whether any differs.
    fn listen(&mut self, sources: &Sources) -> bool {
        let mtls = sources.mtls.as_ref();
        let mut differs = false;
        for inbound in &self.member.inbounds {
            let permission = sources.externals.permissions().deciding(&inbound.tags);
            let on = sources.policies.on_inbound(&inbound.tags);
            let traced = self.outbound.observed().traced();
            let listener = envoy::inbound_listener(inbound, mtls, permission, &on, traced);
            differs |= replace(&mut self.listeners, inbound.listener_name(), listener);
        }
        differs
    }

    fn assemble(&self, key: &ResourceKey, outbound: &Compiled) -> Compiled {
        let mut compiled = outbound.clone();
        compiled.is_delegated = false;
        compiled.is_member = true;
        for (type_url, own) in [
            (envoy::LISTENER, &self.listeners),
            (envoy::CLUSTER, &self.applications),
        ] {
            let all = compiled.resources.entry(type_url).or_default();
            let more = own.iter().map(|(name, one)| (name.clone(), one.clone()));
            Arc::make_mut(all).extend(more);
        }
        let own = self.member.left_out.iter();
        let own = own.map(|(field, reason)| Fault {
            resource: ResourceKey {
                kind: DATAPLANE,
                ..key.clone()
            },
            field: field.clone(),
            reason: reason.clone(),
        });
        let faults: BTreeSet<_> = own.chain(outbound.faults.iter().cloned()).collect();
        compiled.faults = faults.into_iter().collect();
        compiled
    }
}

/// All members of a mesh in the zone. What is compiled is kept for those that some proxy asked for.
#[derive(Debug, Default)]
pub(super) struct Members {
    dataplanes: BTreeMap<Arc<str>, Arc<Resource>>,
    compiled: BTreeMap<Arc<str>, MemberView>,
}

impl Members {
    /// Takes over a Dataplane that was created or changed.
    pub(super) fn put(&mut self, name: &Arc<str>, dataplane: &Arc<Resource>) {
        self.compiled.remove(name);
        self.dataplanes.insert(name.clone(), dataplane.clone());
    }

    /// Forgets a Dataplane that was deleted.
    pub(super) fn remove(&mut self, name: &str) {
        self.compiled.remove(name);
        self.dataplanes.remove(name);
    }

    /// The configuration of a member; nothing if there is none of this key in the zone.
    pub(super) fn compile(
        &mut self,
        key: &ResourceKey,
        log_pipe: Option<&str>,
        sources: &Sources,
        zone: &str,
    ) -> Option<Arc<Compiled>> {
        let member = match self.compiled.entry(key.name.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let dataplane = self.dataplanes.get(&key.name)?;
                let member = Member::read(dataplane, zone)?;
                place.insert(MemberView::new(&key.name, member))
            }
        };
        Some(member.compile(key, log_pipe, sources, zone))
    }

    /// Some policy of the mesh changed.
    pub(super) fn policies_changed(&mut self) {
        for member in self.compiled.values_mut() {
            member.stale = true;
            member.outbound.policies_changed();
        }
    }

    /// Some proxy policy of the mesh, or the Mesh, changed.
    pub(super) fn proxy_policies_changed(&mut self) {
        for member in self.compiled.values_mut() {
            member.stale = true;
            member.outbound.proxy_policies_changed();
        }
    }

    /// Some TrafficPermission of the mesh changed.
    fn permissions_changed(&mut self) {
        for member in self.compiled.values_mut() {
            member.stale = true;
        }
    }

    /// The mutual TLS of the mesh changed.
    fn mtls_changed(&mut self) {
        for member in self.compiled.values_mut() {
            member.stale = true;
            member.outbound.mtls_changed();
        }
    }

    /// Instances of these services changed.
    pub(super) fn services_changed(&mut self, services: &BTreeSet<&str>) {
        for member in self.compiled.values_mut() {
            member.outbound.services_changed(services);
        }
    }
}

impl ZoneView {
    /// Takes over what decides how members of a mesh are connected: the Mesh, and who may reach whom.
    pub(super) fn put_mtls(&mut self, resource: &Resource) {
        let key = &resource.key;
        if key.kind == MESH {
            let mesh = self.mesh(&key.name);
            mesh.set_mtls(Mtls::read(resource));
        } else if key.kind == TRAFFIC_PERMISSION {
            let mesh = self.mesh(&key.mesh);
            mesh.members.permissions_changed();
        }
    }

    /// The same for what was deleted.
    pub(super) fn remove_mtls(&mut self, key: &ResourceKey) {
        if key.kind == MESH
            && let Some(mesh) = self.meshes.get_mut(&key.name)
        {
            mesh.set_mtls(None);
        } else if key.kind == TRAFFIC_PERMISSION
            && let Some(mesh) = self.meshes.get_mut(&key.mesh)
        {
            mesh.members.permissions_changed();
        }
    }
}

impl Mesh {
    fn set_mtls(&mut self, mtls: Option<Mtls>) {
        if self.sources.mtls == mtls {
            return;
        }
        self.sources.mtls = mtls;
        self.groups.values_mut().for_each(Group::mtls_changed);
        self.delegated
            .values_mut()
            .for_each(DelegatedGroup::mtls_changed);
        self.members.mtls_changed();
        let has_mtls = self.sources.mtls.is_some();
        if self.sources.policies.place.set_mtls(has_mtls) {
            self.policies_changed();
        }
        self.entrance.mtls_changed();
    }
}
