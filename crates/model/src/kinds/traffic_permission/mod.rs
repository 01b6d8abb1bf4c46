//! TrafficPermission.

mod validate;

use crate::{
    kind::{Codec, Descriptor, Direction, Scope},
    labels::Labels,
    proto,
};

/// The registry's entry.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "TrafficPermission",
    plural: "traffic-permissions",
    singular: "traffic-permission",
    short: "",
    scope: Scope::Mesh,
    direction: Direction::GlobalToZone,
    policy: true,
    read_only: false,
    keeps_name: false,
    message: "kuma.mesh.v1alpha1.TrafficPermission",
    codec: Codec::of::<proto::mesh::TrafficPermission>(),
    validate: validate::validate,
    labels: |_| Labels::new(),
    in_zone: |spec, _| spec,
};
