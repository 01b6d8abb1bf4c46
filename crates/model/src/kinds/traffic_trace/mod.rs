//! TrafficTrace.

mod validate;

use crate::{
    kind::{Codec, Descriptor, Direction, Scope},
    labels::Labels,
    proto,
};

/// The registry's entry.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "TrafficTrace",
    plural: "traffic-traces",
    singular: "traffic-trace",
    short: "",
    scope: Scope::Mesh,
    direction: Direction::GlobalToZone,
    policy: true,
    read_only: false,
    keeps_name: false,
    message: "kuma.mesh.v1alpha1.TrafficTrace",
    codec: Codec::of::<proto::mesh::TrafficTrace>(),
    validate: validate::validate,
    labels: |_| Labels::new(),
    in_zone: |spec, _| spec,
};
