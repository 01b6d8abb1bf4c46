//! ZoneIngress: where other zones reach the services of a zone.

mod validate;

use bytes::Bytes;
use prost::Message;

use crate::{
    kind::{Codec, Descriptor, Direction, Scope},
    labels::{Labels, PROXY_TYPE},
    proto,
};

/// The registry's entry.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "ZoneIngress",
    plural: "zoneingresses",
    singular: "zoneingress",
    short: "zi",
    scope: Scope::Global,
    direction: Direction::AcrossZones,
    policy: false,
    read_only: false,
    keeps_name: false,
    message: "kuma.mesh.v1alpha1.ZoneIngress",
    codec: Codec::of::<proto::mesh::ZoneIngress>(),
    validate: validate::validate,
    labels: |_| Labels::from([(PROXY_TYPE.to_owned(), "zoneingress".to_owned())]),
    in_zone,
};

/// The zone is its control plane's to say.
fn in_zone(spec: Bytes, zone: &str) -> Bytes {
    let Ok(mut ingress) = proto::mesh::ZoneIngress::decode(spec.clone()) else {
        return spec;
    };
    ingress.zone = zone.to_owned();
    ingress.encode_to_vec().into()
}
