//! ZoneIngressInsight.

use crate::{
    kind::{Codec, Descriptor, Direction, Scope},
    labels::Labels,
    proto,
    validation::Violations,
};

/// The registry's entry.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "ZoneIngressInsight",
    plural: "zone-ingress-insights",
    singular: "zone-ingress-insight",
    short: "",
    scope: Scope::Global,
    direction: Direction::ZoneToGlobal,
    policy: false,
    read_only: true,
    keeps_name: false,
    message: "kuma.mesh.v1alpha1.ZoneIngressInsight",
    codec: Codec::of::<proto::mesh::ZoneIngressInsight>(),
    validate: |_| Violations::default(),
    labels: |_| Labels::new(),
    in_zone: |spec, _| spec,
};
