//! ZoneInsight.

use crate::{
    kind::{Codec, Descriptor, Direction, Scope},
    labels::Labels,
    proto,
    validation::Violations,
};

/// The registry's entry.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "ZoneInsight",
    plural: "zone-insights",
    singular: "zone-insight",
    short: "",
    scope: Scope::Global,
    direction: Direction::None,
    policy: false,
    read_only: true,
    keeps_name: true,
    message: "kuma.system.v1alpha1.ZoneInsight",
    codec: Codec::of::<proto::system::ZoneInsight>(),
    validate: |_| Violations::default(),
    labels: |_| Labels::new(),
    in_zone: |spec, _| spec,
};
