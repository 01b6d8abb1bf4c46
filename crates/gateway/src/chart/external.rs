//! External services and who may reach them.

use portolan_model::{Kind, Resource, ResourceKey, kinds::MESH};

use super::Chart;
use crate::plan::external::Externals;

/// Whether resources of a kind are put into charts for the sake of external services. What a Mesh says
/// orders endpoints alone, which charts do not.
pub(super) fn is_of_chart(kind: Kind) -> bool {
    Externals::has(kind) && kind != MESH
}

impl Chart {
    pub(super) fn put_external(&mut self, resource: &Resource) {
        if is_of_chart(resource.key.kind) {
            self.externals.put(resource);
        }
    }

    pub(super) fn remove_external(&mut self, key: &ResourceKey) {
        if is_of_chart(key.kind) {
            self.externals.remove(key);
        }
    }

    /// The external services of the mesh.
    pub fn externals(&self) -> &Externals {
        &self.externals
    }
}
