//! MeshGateway.

use crate::{
    kind::{Codec, Descriptor, Direction, Scope},
    labels::Labels,
    proto,
    validation::Violations,
};

/// The registry's entry.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "MeshGateway",
    plural: "meshgateways",
    singular: "meshgateway",
    short: "mgw",
    scope: Scope::Mesh,
    direction: Direction::Both,
    read_only: false,
    keeps_name: false,
    message: "kuma.mesh.v1alpha1.MeshGateway",
    codec: Codec::of::<proto::mesh::MeshGateway>(),
    validate: |_| Violations::default(),
    labels: |_| Labels::new(),
};
