//! What counts where no policy says otherwise: the effect of the policies that Kuma creates with a mesh.

use portolan_model::Resource;
use portolan_proto::mesh::Mesh;

/// Which of them count in a mesh. Its `skipCreatingInitialPolicies` switches them off, by the names of the
/// kinds that Kuma creates or of those that take their place here, or with `*` all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// Requests that fail are tried again.
    pub retries: bool,
    /// A cluster has so many connections, requests and retries at a time, and no more.
    pub limits: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            retries: true,
            limits: true,
        }
    }
}

impl Defaults {
    /// Of a resource of kind Mesh.
    pub fn read(mesh: &Resource) -> Self {
        // Stores hold only specs that are messages of their kind.
        let spec: Mesh = mesh.spec_as().unwrap_or_default();
        let skipped = &spec.skip_creating_initial_policies;
        let counts = |kinds: [&str; 2]| {
            let off = |name: &String| name == "*" || kinds.contains(&name.as_str());
            !skipped.iter().any(off)
        };
        Self {
            retries: counts(["MeshRetry", "Retry"]),
            limits: counts(["MeshCircuitBreaker", "CircuitBreaker"]),
        }
    }
}
