//! Zone.

use crate::{
    kind::{Codec, Descriptor, Direction, Scope},
    labels::Labels,
    proto,
    validation::Violations,
};

/// The registry's entry.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "Zone",
    plural: "zones",
    singular: "zone",
    short: "z",
    scope: Scope::Global,
    direction: Direction::None,
    policy: false,
    read_only: false,
    keeps_name: true,
    message: "kuma.system.v1alpha1.Zone",
    codec: Codec::of::<proto::system::Zone>(),
    validate: |_| Violations::default(),
    labels: |_| Labels::new(),
    in_zone: |spec, _| spec,
};
