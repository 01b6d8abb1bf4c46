//! Dataplane.

mod validate;

use bytes::Bytes;
use prost::Message;

use crate::{
    kind::{Codec, Descriptor, Direction, Scope},
    labels::{Labels, PROXY_TYPE},
    proto, tags,
};

/// The registry's entry.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "Dataplane",
    plural: "dataplanes",
    singular: "dataplane",
    short: "dp",
    scope: Scope::Mesh,
    direction: Direction::ZoneToGlobal,
    policy: false,
    read_only: false,
    keeps_name: false,
    message: "kuma.mesh.v1alpha1.Dataplane",
    codec: Codec::of::<proto::mesh::Dataplane>(),
    validate: validate::validate,
    labels,
    in_zone,
};

/// Says whether the proxy is a gateway, so that lists can be filtered by it.
fn labels(spec: &Bytes) -> Labels {
    let dataplane = proto::mesh::Dataplane::decode(spec.clone()).unwrap_or_default();
    let is_gateway = dataplane.networking.is_some_and(|networking| networking.gateway.is_some());
    let proxy_type = if is_gateway { "gateway" } else { "sidecar" };
    Labels::from([(PROXY_TYPE.to_owned(), proxy_type.to_owned())])
}

/// Every set of tags names the zone, so that selectors can choose by it. None at all stays none: rules for
/// tags would want a service beside the zone.
fn in_zone(spec: Bytes, zone: &str) -> Bytes {
    let Ok(mut dataplane) = proto::mesh::Dataplane::decode(spec.clone()) else {
        return spec;
    };
    let Some(networking) = &mut dataplane.networking else {
        return spec;
    };
    let gateway = networking
        .gateway
        .iter_mut()
        .map(|gateway| &mut gateway.tags);
    let inbounds = networking
        .inbound
        .iter_mut()
        .map(|inbound| &mut inbound.tags);
    for tags in gateway.chain(inbounds).filter(|tags| !tags.is_empty()) {
        tags.insert(tags::ZONE.to_owned(), zone.to_owned());
    }
    dataplane.encode_to_vec().into()
}
