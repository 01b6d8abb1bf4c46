//! TrafficRoute.

mod validate;

use crate::{
    kind::{Codec, Descriptor, Direction, Scope},
    labels::Labels,
    proto,
};

/// The registry's entry.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "TrafficRoute",
    plural: "traffic-routes",
    singular: "traffic-route",
    short: "",
    scope: Scope::Mesh,
    direction: Direction::GlobalToZone,
    policy: true,
    read_only: false,
    keeps_name: false,
    message: "kuma.mesh.v1alpha1.TrafficRoute",
    codec: Codec::of::<proto::mesh::TrafficRoute>(),
    validate: validate::validate,
    labels: |_| Labels::new(),
    in_zone: |spec, _| spec,
};
