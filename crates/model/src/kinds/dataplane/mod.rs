//! Dataplane.

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
    name: "Dataplane",
    plural: "dataplanes",
    singular: "dataplane",
    short: "dp",
    scope: Scope::Mesh,
    direction: Direction::ZoneToGlobal,
    read_only: false,
    keeps_name: false,
    message: "kuma.mesh.v1alpha1.Dataplane",
    codec: Codec::of::<proto::mesh::Dataplane>(),
    validate: validate::validate,
    labels,
};

/// Says whether the proxy is a gateway, so that lists can be filtered by it.
fn labels(spec: &Bytes) -> Labels {
    let dataplane = proto::mesh::Dataplane::decode(spec.clone()).unwrap_or_default();
    let is_gateway = dataplane.networking.is_some_and(|networking| networking.gateway.is_some());
    let proxy_type = if is_gateway { "gateway" } else { "sidecar" };
    Labels::from([(PROXY_TYPE.to_owned(), proxy_type.to_owned())])
}
