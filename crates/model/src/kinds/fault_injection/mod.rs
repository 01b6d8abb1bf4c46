//! FaultInjection.

mod validate;

use crate::{
    kind::{Codec, Descriptor, Direction, Scope},
    labels::Labels,
    proto,
};

/// The registry's entry.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "FaultInjection",
    plural: "fault-injections",
    singular: "fault-injection",
    short: "",
    scope: Scope::Mesh,
    direction: Direction::GlobalToZone,
    policy: true,
    read_only: false,
    keeps_name: false,
    message: "kuma.mesh.v1alpha1.FaultInjection",
    codec: Codec::of::<proto::mesh::FaultInjection>(),
    validate: validate::validate,
    labels: |_| Labels::new(),
    in_zone: |spec, _| spec,
};
