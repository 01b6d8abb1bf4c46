//! MeshGateways, and which one a Dataplane gets.

use std::{cmp::Reverse, fmt, sync::Arc};

use jiff::Timestamp;
use portolan_model::{
    Resource, ResourceKey,
    tags::{self, Rank, Tags},
};
use portolan_proto::mesh::{MeshGateway, mesh_gateway::Listener};

/// One MeshGateway.
pub struct Gateway {
    /// The resource.
    pub key: ResourceKey,
    /// The name that its author gave it; listeners are named after it.
    pub name: Arc<str>,
    created: Timestamp,
    spec: MeshGateway,
}

impl Gateway {
    /// Reads a resource of kind MeshGateway.
    pub fn read(resource: &Resource) -> Self {
        Self {
            key: resource.key.clone(),
            name: resource.display_name().into(),
            created: resource.created,
            // Stores hold only specs that are messages of their kind; an empty one selects nothing.
            spec: resource.spec_as().unwrap_or_default(),
        }
    }

    /// Tags of all its listeners.
    pub(super) fn tags(&self) -> &Tags {
        &self.spec.tags
    }

    /// Its listeners as they are written.
    pub(super) fn listeners(&self) -> &[Listener] {
        let conf = self.spec.conf.as_ref();
        conf.map_or(&[], |conf| &conf.listeners)
    }

    /// Whether some listener of it is for members of other meshes.
    pub fn is_cross_mesh(&self) -> bool {
        self.listeners().iter().any(|listener| listener.cross_mesh)
    }

    /// The tags of the Dataplanes that it is for; any one of these suffices.
    pub fn selectors(&self) -> impl Iterator<Item = &Tags> {
        self.spec.selectors.iter().map(|selector| &selector.r#match)
    }

    fn rank(&self, dataplane: &Tags) -> Option<Rank> {
        tags::best_match(&self.spec.selectors, dataplane)
    }
}

/// Without the spec, which may hold private keys.
impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("key", &self.key)
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}

/// The MeshGateway for a Dataplane with these gateway tags: the highest rank wins, then the newest,
/// then the first by name.
pub fn select<'a>(
    gateways: impl Iterator<Item = &'a Arc<Gateway>>,
    dataplane: &Tags,
) -> Option<&'a Arc<Gateway>> {
    gateways
        .filter_map(|gateway| Some((gateway.rank(dataplane)?, gateway)))
        .max_by_key(|(rank, gateway)| {
            (
                *rank,
                gateway.created,
                Reverse((&*gateway.name, &*gateway.key.name)),
            )
        })
        .map(|(_, gateway)| gateway)
}
