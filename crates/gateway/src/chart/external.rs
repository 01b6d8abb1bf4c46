//! External services and who may reach them.

use portolan_model::{Kind, Resource, ResourceKey, kinds::MESH, tags::Tags};

use super::{Chart, Fleet};
use crate::plan::{destination::Destination, external::Externals};

/// Whether resources of a kind are put into charts for the sake of external services. What a Mesh says
/// orders endpoints alone, which charts do not.
pub(super) fn is_of_chart(kind: Kind) -> bool {
    Externals::has(kind) && kind != MESH
}

impl Chart {
    pub(super) fn put_external(&mut self, resource: &Resource) {
        if is_of_chart(resource.key.kind) {
            let touched = self.externals.put(resource);
            touched
                .iter()
                .for_each(|service| self.place_policies(service));
        }
    }

    pub(super) fn remove_external(&mut self, key: &ResourceKey) {
        if is_of_chart(key.kind) {
            let touched = self.externals.remove(key);
            touched
                .iter()
                .for_each(|service| self.place_policies(service));
        }
    }

    /// Whether none of the fleets with a listener that is selected may reach any instance of a destination,
    /// be it inside the mesh or outside.
    pub(crate) fn is_forbidden(
        &self,
        destination: &Destination,
        selects: impl Fn(&Tags) -> bool,
    ) -> bool {
        let sent = |fleet: &&Fleet| fleet.listeners().any(|(_, one)| selects(&one.tags));
        let fleets: Vec<_> = self.fleets().iter().filter(sent).collect();
        let may = |fleet: &&Fleet| {
            let mut permitted = self.externals.permitted(destination, &fleet.tags);
            permitted.next().is_some()
        };
        !fleets.is_empty() && !fleets.iter().any(may) && !self.admits(&fleets, destination)
    }

    /// The external services of the mesh.
    pub fn externals(&self) -> &Externals {
        &self.externals
    }
}
