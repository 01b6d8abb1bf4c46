//! MeshGateway.

mod validate;

use crate::{
    kind::{Codec, Descriptor, Direction, Scope},
    labels::Labels,
    proto,
};

/// The registry's entry.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "MeshGateway",
    plural: "meshgateways",
    singular: "meshgateway",
    short: "mgw",
    scope: Scope::Mesh,
    direction: Direction::Both,
    policy: false,
    read_only: false,
    keeps_name: false,
    message: "kuma.mesh.v1alpha1.MeshGateway",
    codec: Codec::of::<proto::mesh::MeshGateway>(),
    validate: validate::validate,
    labels: |_| Labels::new(),
    in_zone: |spec, _| spec,
};
