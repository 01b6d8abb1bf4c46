//! ExternalService.

mod validate;

use crate::{
    kind::{Codec, Descriptor, Direction, Scope},
    labels::Labels,
    proto,
};

/// The registry's entry.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "ExternalService",
    plural: "external-services",
    singular: "external-service",
    short: "",
    scope: Scope::Mesh,
    direction: Direction::GlobalToZone,
    policy: false,
    read_only: false,
    keeps_name: false,
    message: "kuma.mesh.v1alpha1.ExternalService",
    codec: Codec::of::<proto::mesh::ExternalService>(),
    validate: validate::validate,
    labels: |_| Labels::new(),
    in_zone: |spec, _| spec,
};
