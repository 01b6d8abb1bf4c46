//! Mesh.

use crate::{
    kind::{Codec, Descriptor, Direction, Scope},
    labels::Labels,
    proto,
    validation::Violations,
};

/// The registry's entry.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "Mesh",
    plural: "meshes",
    singular: "mesh",
    short: "m",
    scope: Scope::Global,
    direction: Direction::GlobalToZone,
    policy: false,
    read_only: false,
    keeps_name: true,
    message: "kuma.mesh.v1alpha1.Mesh",
    codec: Codec::of::<proto::mesh::Mesh>(),
    validate: |_| Violations::default(),
    labels: |_| Labels::new(),
    in_zone: |spec, _| spec,
};
