//! Meshes that offer something to members of the others.

use std::{collections::BTreeSet, sync::Arc};

use portolan_model::{
    ResourceKey,
    kinds::{DATAPLANE, MESH_GATEWAY},
};

use super::{Mesh, ZoneView};
use crate::plan::{cross_mesh, dataplane::Instance, gateway};

/// What a mesh offers: the instances of each of its gateways' Dataplanes.
pub(super) type Offer = Vec<(Arc<str>, Vec<Arc<Instance>>)>;

impl ZoneView {
    /// Tells the members of all meshes what the mesh of a resource that changed offers now.
    pub(super) fn offer(&mut self, key: &ResourceKey) {
        if ![MESH_GATEWAY, DATAPLANE].contains(&key.kind) {
            return;
        }
        let Some(mesh) = self.meshes.get_mut(&key.mesh) else {
            return;
        };
        let new = mesh.offers(&key.mesh);
        let old = std::mem::replace(&mut mesh.offer, new.clone());
        if old.is_empty() && new.is_empty() {
            return;
        }
        let offers = Arc::make_mut(&mut self.offers);
        old.iter().for_each(|(name, all)| offers.remove(name, all));
        new.iter().for_each(|(name, all)| offers.insert(name, all));
        let instances = old.iter().chain(&new).flat_map(|(_, all)| all);
        let services: BTreeSet<&str> = instances.map(|one| one.service()).collect();
        for mesh in self.meshes.values_mut() {
            for group in mesh.delegated.values_mut() {
                group.services_changed(&services);
            }
            mesh.members.services_changed(&services);
        }
    }
}

impl Mesh {
    fn offers(&self, name: &str) -> Offer {
        let gateways = &self.sources.gateways;
        if !gateways.values().any(|gateway| gateway.is_cross_mesh()) {
            return Offer::new();
        }
        let instances = self.dataplanes.iter().filter_map(|(dataplane, known)| {
            let builtin = known.builtin()?;
            let gateway = gateway::select(gateways.values(), &builtin.tags)?;
            let offered = cross_mesh::instances(name, gateway, builtin);
            // Dataplanes of different meshes may have one name.
            let place = format!("{name}/{dataplane}").into();
            (!offered.is_empty()).then_some((place, offered))
        });
        instances.collect()
    }
}
