//! Mesh.

pub mod mtls;
mod validate;

use crate::{
    kind::{Codec, Descriptor, Direction, Scope},
    labels::Labels,
    proto,
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
    validate: validate::validate,
    labels: |_| Labels::new(),
    in_zone: |spec, _| spec,
};
