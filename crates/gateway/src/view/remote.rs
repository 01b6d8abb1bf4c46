//! ZoneIngresses: those of other zones are where services are reached, those of the own let others in.

use std::{collections::BTreeSet, sync::Arc};

use portolan_model::{Resource, ResourceKey, kinds::ZONE_INGRESS};
use portolan_proto::mesh::ZoneIngress;

use super::{Mesh, ZoneView};
use crate::plan::{
    ingress::Ingress,
    remote::{self, Offer, Remote},
};

impl ZoneView {
    /// Takes over a ZoneIngress that was created or changed.
    pub(super) fn put_ingress(&mut self, resource: &Resource) {
        if resource.key.kind != ZONE_INGRESS {
            return;
        }
        // Stores hold only specs that are messages of their kind.
        let spec: ZoneIngress = resource.spec_as().unwrap_or_default();
        let name = &resource.key.name;
        match remote::zone_of(resource, &spec) {
            Some(zone) if *zone != *self.zone => {
                self.ingresses.set(name, None);
                self.set_offer(name, remote::read(resource, &zone, spec));
            }
            _ => {
                self.ingresses.set(name, Ingress::read(&spec));
                self.set_offer(name, Offer::new());
            }
        }
    }

    /// Forgets a ZoneIngress that was deleted.
    pub(super) fn remove_ingress(&mut self, key: &ResourceKey) {
        if key.kind == ZONE_INGRESS {
            self.ingresses.set(&key.name, None);
            self.set_offer(&key.name, Offer::new());
        }
    }

    fn set_offer(&mut self, name: &Arc<str>, mut offer: Offer) {
        let meshes: BTreeSet<_> = offer.keys().cloned().collect();
        let before = self.ingresses.offered(name, meshes.clone());
        for mesh in before.union(&meshes) {
            let remotes = offer.remove(mesh).unwrap_or_default();
            let mesh = self.mesh(mesh);
            mesh.set_remotes(name, remotes);
        }
    }

    /// Whether the proxy of a Dataplane has left the control plane. Its instances go on to be used only
    /// where there are no others.
    pub fn set_away(&mut self, dataplane: &ResourceKey, away: bool) {
        let mesh = self.mesh(&dataplane.mesh);
        let name = &dataplane.name;
        let changed = match away {
            true => mesh.away.insert(name.clone()),
            false => mesh.away.remove(name),
        };
        if changed && let Some(dataplane) = mesh.dataplanes.get_mut(name) {
            let touched = mesh.sources.services.set_away(name, dataplane, away);
            mesh.touch(&touched);
        }
    }
}

impl Mesh {
    fn set_remotes(&mut self, ingress: &Arc<str>, remotes: Vec<Remote>) {
        let touched = self.sources.remotes.set(ingress, remotes);
        self.touch(&touched);
    }
}
