//! DataplaneInsight.

use crate::{
    kind::{Codec, Descriptor, Direction, Scope},
    labels::Labels,
    proto,
    validation::Violations,
};

/// The registry's entry.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "DataplaneInsight",
    plural: "dataplane-insights",
    singular: "dataplane-insight",
    short: "",
    scope: Scope::Mesh,
    direction: Direction::ZoneToGlobal,
    policy: false,
    read_only: true,
    keeps_name: false,
    message: "kuma.mesh.v1alpha1.DataplaneInsight",
    codec: Codec::of::<proto::mesh::DataplaneInsight>(),
    validate: |_| Violations::default(),
    labels: |_| Labels::new(),
    in_zone: |spec, _| spec,
};
