//! What a resource is called, and how it is labelled, on the other side.

use portolan_model::{Labels, Resource, ResourceKey, labels, naming};

/// The label that Kubernetes control planes give to what they own; part of the hash.
const NAMESPACE: &str = "k8s.kuma.io/namespace";

/// Who sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The global, to a zone.
    Global,
    /// The zone of that name, to its global.
    Zone(String),
}

impl Side {
    /// Whether the resource is this side's to send.
    pub(crate) fn owns(&self, resource: &Resource) -> bool {
        let kind = resource.key.kind;
        let origin = resource.labels.get(labels::ORIGIN).map(String::as_str);
        match self {
            Self::Global => kind.direction.to_zone() && origin != Some(labels::ORIGIN_ZONE),
            Self::Zone(_) => kind.direction.to_global() && origin != Some(labels::ORIGIN_GLOBAL),
        }
    }

    /// The name on the other side. `hashed` is false for zones of old that do not know hashes.
    pub(crate) fn name(&self, key: &ResourceKey, labels: &Labels, hashed: bool) -> String {
        let (zone, hashed) = match self {
            Self::Global => (labels.get(labels::ZONE), hashed),
            Self::Zone(zone) => (Some(zone), true),
        };
        if key.kind.keeps_name || !hashed {
            return key.name.to_string();
        }
        let namespace = labels.get(NAMESPACE).map(String::as_str);
        naming::hashed_name(&key.mesh, &key.name, zone.map(String::as_str), namespace)
    }

    /// The labels on the other side.
    pub(crate) fn labels(&self, resource: &Resource, name: &str) -> Labels {
        let mut labels = resource.labels.clone();
        let mut set = |label: &str, value: &str| labels.insert(label.to_owned(), value.to_owned());
        match self {
            Self::Global => {
                set(labels::ORIGIN, labels::ORIGIN_GLOBAL);
            }
            Self::Zone(zone) => {
                set(labels::ORIGIN, labels::ORIGIN_ZONE);
                set(labels::ZONE, zone);
            }
        }
        if *resource.key.name != *name {
            set(labels::DISPLAY_NAME, &resource.key.name);
        }
        labels
    }
}

/// `NAME.MESH`, or `NAME.` outside meshes.
pub(crate) fn wire_name(name: &str, mesh: &str) -> String {
    format!("{name}.{mesh}")
}

/// Name and mesh of a wire name. Names may contain dots, meshes may not.
pub(crate) fn from_wire(wire: &str) -> Option<(&str, &str)> {
    wire.rsplit_once('.')
}

/// Whether a zone may have given this name to a resource with these labels: nobody else's can be meant.
pub(crate) fn belongs_to_zone(name: &str, mesh: &str, labels: &Labels, zone: &str) -> bool {
    let display = labels
        .get(labels::DISPLAY_NAME)
        .map_or(name, String::as_str);
    let namespace = labels.get(NAMESPACE).map(String::as_str);
    name == naming::hashed_name(mesh, display, Some(zone), namespace)
}
