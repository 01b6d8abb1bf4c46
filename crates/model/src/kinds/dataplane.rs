//! Dataplane.

use crate::{
    kind::{Codec, Descriptor, Direction, Scope},
    labels::Labels,
    proto,
    validation::Violations,
};

/// The registry's entry.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "Dataplane",
    plural: "dataplanes",
    singular: "dataplane",
    short: "dp",
    scope: Scope::Mesh,
    direction: Direction::ZoneToGlobal,
    read_only: false,
    keeps_name: false,
    message: "kuma.mesh.v1alpha1.Dataplane",
    codec: Codec::of::<proto::mesh::Dataplane>(),
    validate: |_| Violations::default(),
    labels: |_| Labels::new(),
};
