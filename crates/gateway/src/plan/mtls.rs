//! How the members of a mesh are connected with each other.

use std::sync::Arc;

use portolan_model::{Resource, kinds::mesh::mtls};
use portolan_proto::mesh::{Mesh, certificate_authority_backend::Mode};

/// Mutual TLS in a mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mtls {
    /// The name of the mesh, to which certificates belong.
    pub mesh: Arc<str>,
    /// Whether members take other connections too.
    pub permissive: bool,
    /// Whether instances in other zones, which are reached by mutual TLS alone, wait until the own zone has
    /// none.
    pub prefers_own_zone: bool,
}

impl Mtls {
    /// What a resource of kind Mesh says; nothing if its members are connected without mutual TLS.
    pub fn read(resource: &Resource) -> Option<Self> {
        // Stores hold only specs that are messages of their kind.
        let mesh: Mesh = resource.spec_as().ok()?;
        let backend = mtls::enabled(&mesh)?;
        let routing = mesh.routing.as_ref();
        Some(Self {
            mesh: resource.key.name.clone(),
            permissive: backend.mode() == Mode::Permissive,
            prefers_own_zone: routing.is_some_and(|one| one.locality_aware_load_balancing),
        })
    }
}
