//! The endpoints of one cluster.

use std::collections::BTreeSet;

use envoy_types::pb::envoy::config::{
    core::v3::Locality,
    endpoint::v3::{
        ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
        lb_endpoint::HostIdentifier,
    },
};
use portolan_model::tags::SERVICE;
use prost::Message as _;

use super::{
    Encoded, address,
    metadata::{metadata, texts},
    number,
    wire::Message,
};
use crate::{fault::Fault, plan::dataplane::Instance};

/// `ClusterLoadAssignment.endpoints`
const LOCALITIES: u32 = 2;
/// `LocalityLbEndpoints.lb_endpoints`
const LB_ENDPOINTS: u32 = 2;
/// `LbEndpoint.metadata`
const METADATA: u32 = 3;

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

fn lb_endpoint(instance: &Instance, at: std::net::SocketAddr) -> Message<'_> {
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
        .message(METADATA, instance_metadata(instance))
}

/// Tags by which subsets and transport sockets are chosen, and labels for the access log.
fn instance_metadata(instance: &Instance) -> Message<'_> {
    let tags = || {
        // The service is the cluster's, the same for all.
        instance.tags.iter().filter(|(name, _)| *name != SERVICE)
    };
    metadata([
        ("envoy.lb", texts(tags())),
        ("envoy.transport_socket_match", texts(tags())),
        ("io.kuma.labels", texts(instance.labels.iter())),
    ])
}
