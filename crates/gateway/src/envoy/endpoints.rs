//! The endpoints of one cluster.

use std::collections::BTreeSet;

use envoy_types::pb::{
    envoy::config::{
        core::v3::Locality,
        endpoint::v3::{
            ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
            lb_endpoint::HostIdentifier,
        },
    },
    google::protobuf::{Value, value::Kind},
};
use portolan_model::tags::SERVICE;
use prost::Message as _;

use super::{Encoded, address, number, wire::Message};
use crate::{fault::Fault, plan::dataplane::Instance};

/// `ClusterLoadAssignment.endpoints`
const LOCALITIES: u32 = 2;
/// `LocalityLbEndpoints.lb_endpoints`
const LB_ENDPOINTS: u32 = 2;
/// `LbEndpoint.metadata`
const METADATA: u32 = 3;
/// `Metadata.filter_metadata`
const FILTER_METADATA: u32 = 1;
/// `Struct.fields`
const FIELDS: u32 = 1;
/// Key of every protobuf map entry.
const KEY: u32 = 1;
/// Value of every protobuf map entry.
const VALUE: u32 = 2;

/// The healthy ones among `instances`, all of this zone, as the endpoints of a cluster. One that
/// cannot be reached is left out, and why is added to `faults`.
pub(crate) fn load_assignment<'a>(
    cluster: &str,
    zone: &str,
    instances: impl Iterator<Item = &'a Instance>,
    faults: &mut Vec<Fault>,
) -> Encoded {
    let mut seen = BTreeSet::new();
    let locality = LocalityLbEndpoints {
        locality: Some(Locality {
            zone: zone.to_owned(),
            ..Locality::default()
        }),
        ..LocalityLbEndpoints::default()
    };
    let mut endpoints = Message::default().fields(locality.encode_to_vec());
    for instance in instances.filter(|instance| instance.healthy) {
        match &instance.address {
            // Envoy refuses an assignment that names one address twice.
            Ok(address) if seen.insert(*address) => {
                endpoints.push_message(LB_ENDPOINTS, lb_endpoint(instance, *address));
            }
            Ok(_) => {}
            Err(fault) => faults.push((**fault).clone()),
        }
    }
    let name = ClusterLoadAssignment {
        cluster_name: cluster.to_owned(),
        ..ClusterLoadAssignment::default()
    };
    let mut assignment = Message::default().fields(name.encode_to_vec());
    if !seen.is_empty() {
        assignment.push_message(LOCALITIES, endpoints);
    }
    Encoded::new(assignment.encode())
}

fn lb_endpoint(instance: &Instance, at: std::net::SocketAddr) -> Message {
    let endpoint = LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            address: address(at.ip().to_string(), at.port()),
            ..Endpoint::default()
        })),
        load_balancing_weight: number(1),
        ..LbEndpoint::default()
    };
    Message::default()
        .fields(endpoint.encode_to_vec())
        .message(METADATA, metadata(instance))
}

/// Tags by which subsets and transport sockets are chosen, and labels for the access log. Put together
/// by hand because generated maps have no order, and equal endpoints must have equal bytes.
fn metadata(instance: &Instance) -> Message {
    let tags = || {
        // The service is the cluster's, the same for all.
        instance.tags.iter().filter(|(name, _)| *name != SERVICE)
    };
    let mut metadata = Message::default();
    for (key, fields) in [
        ("envoy.lb", texts(tags())),
        ("envoy.transport_socket_match", texts(tags())),
        ("io.kuma.labels", texts(instance.labels.iter())),
    ] {
        let entry = Message::default().field(KEY, key).message(VALUE, fields);
        metadata.push_message(FILTER_METADATA, entry);
    }
    metadata
}

/// A `Struct` of texts.
fn texts<'a>(pairs: impl Iterator<Item = (&'a String, &'a String)>) -> Message {
    let mut fields = Message::default();
    for (name, text) in pairs {
        let value = Value {
            kind: Some(Kind::StringValue(text.clone())),
        };
        let entry = Message::default()
            .field(KEY, name.clone())
            .field(VALUE, value.encode_to_vec());
        fields.push_message(FIELDS, entry);
    }
    fields
}
