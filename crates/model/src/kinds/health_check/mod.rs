//! HealthCheck.

mod validate;

use crate::{
    kind::{Codec, Descriptor, Direction, Scope},
    labels::Labels,
    proto,
};

/// The registry's entry.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "HealthCheck",
    plural: "health-checks",
    singular: "healthcheck",
    short: "",
    scope: Scope::Mesh,
    direction: Direction::GlobalToZone,
    policy: true,
    read_only: false,
    keeps_name: false,
    message: "kuma.mesh.v1alpha1.HealthCheck",
    codec: Codec::of::<proto::mesh::HealthCheck>(),
    validate: validate::validate,
    labels: |_| Labels::new(),
    in_zone: |spec, _| spec,
};
