//! The endpoints of one cluster: the instances that are reached, and where they are.

use std::collections::BTreeSet;

use envoy_types::pb::envoy::config::{
    core::v3::{HealthStatus, Locality},
    endpoint::v3::{
        ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
        cluster_load_assignment::Policy, lb_endpoint::HostIdentifier,
    },
};
use portolan_model::tags::{SERVICE, Tags};
use prost::Message as _;

use super::{
    Encoded, address,
    metadata::{metadata, texts},
    number,
    wire::Message,
};
use crate::{
    fault::Fault,
    plan::{
        dataplane::Instance,
        spread::{RemoteEndpoint, Spread},
    },
};

/// `ClusterLoadAssignment.endpoints`
const LOCALITIES: u32 = 2;
/// `ClusterLoadAssignment.policy`
const POLICY: u32 = 4;
/// `LocalityLbEndpoints.lb_endpoints`
const LB_ENDPOINTS: u32 = 2;
/// `LbEndpoint.metadata`
const METADATA: u32 = 3;

/// What connections to a destination spread over.
pub(crate) struct Endpoints<'a, I> {
    /// The own zone.
    pub(crate) zone: &'a str,
    /// Its instances.
    pub(crate) own: I,
    /// Those of other zones.
    pub(crate) elsewhere: &'a Spread,
    /// Whether other zones wait until the own has none left.
    pub(crate) prefers_own_zone: bool,
}

/// The endpoints of a cluster: the healthy instances of the own zone, then other zones. One that cannot be
/// reached is left out, and why is added to `faults`. One whose proxy is away gets what nobody else can take.
pub(crate) fn load_assignment<'a>(
    cluster: &str,
    of: Endpoints<'a, impl Iterator<Item = &'a Instance>>,
    faults: &mut Vec<Fault>,
) -> Encoded {
    let own = reachable(of.own, faults);
    let elsewhere = &of.elsewhere.endpoints;
    let waits = of.prefers_own_zone && !elsewhere.is_empty();
    let name = ClusterLoadAssignment {
        cluster_name: cluster.to_owned(),
        ..ClusterLoadAssignment::default()
    };
    let mut assignment = Message::default().fields(name.encode_to_vec());
    if !own.is_empty() {
        let endpoints = own
            .iter()
            .map(|(instance, at)| own_endpoint(instance, *at, of.elsewhere.own_weight));
        assignment.push_message(LOCALITIES, locality(of.zone, 0, endpoints));
    }
    for zone in elsewhere.chunk_by(|a, b| a.zone == b.zone) {
        // The priority stays when the own zone has none: then no endpoint becomes another one for Envoy.
        let endpoints = zone.iter().map(remote_endpoint);
        assignment.push_message(LOCALITIES, locality(&zone[0].zone, waits.into(), endpoints));
    }
    if waits || own.iter().any(|(instance, _)| instance.away) {
        let together = match waits {
            true => own.len().max(elsewhere.len()),
            false => own.len() + elsewhere.len(),
        };
        assignment = policy(assignment, together);
    }
    Encoded::new(assignment.encode())
}

/// By itself Envoy sends some requests past a group as soon as less than five in seven of its endpoints are
/// well. Here one that is well is enough.
fn policy(assignment: Message<'_>, together: usize) -> Message<'_> {
    let Some(percent) = u32::try_from(together)
        .ok()
        .and_then(|all| all.checked_mul(100))
    else {
        return assignment;
    };
    if together < 2 {
        return assignment;
    }
    let policy = Policy {
        overprovisioning_factor: number(percent),
        ..Policy::default()
    };
    assignment.field(POLICY, policy.encode_to_vec())
}

/// The healthy ones, each with its address. Envoy refuses an assignment that names one address twice.
fn reachable<'a>(
    instances: impl Iterator<Item = &'a Instance>,
    faults: &mut Vec<Fault>,
) -> Vec<(&'a Instance, std::net::SocketAddr)> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for instance in instances.filter(|instance| instance.healthy) {
        match &instance.address {
            Ok(address) if seen.insert(*address) => all.push((instance, *address)),
            Ok(_) => {}
            Err(fault) => faults.push((**fault).clone()),
        }
    }
    all
}

fn locality<'a>(
    zone: &str,
    priority: u32,
    endpoints: impl Iterator<Item = Message<'a>>,
) -> Message<'a> {
    let locality = LocalityLbEndpoints {
        locality: Some(Locality {
            zone: zone.to_owned(),
            ..Locality::default()
        }),
        priority,
        ..LocalityLbEndpoints::default()
    };
    let mut message = Message::default().fields(locality.encode_to_vec());
    for endpoint in endpoints {
        message.push_message(LB_ENDPOINTS, endpoint);
    }
    message
}

fn own_endpoint(instance: &Instance, at: std::net::SocketAddr, weight: u32) -> Message<'_> {
    let health = match instance.away {
        true => HealthStatus::Degraded,
        false => HealthStatus::Unknown,
    };
    endpoint(at, weight, health).message(
        METADATA,
        metadata([
            ("envoy.lb", texts(without_service(&instance.tags))),
            (
                "envoy.transport_socket_match",
                texts(without_service(&instance.tags)),
            ),
            ("io.kuma.labels", texts(instance.labels.iter())),
        ]),
    )
}

fn remote_endpoint(remote: &RemoteEndpoint) -> Message<'_> {
    endpoint(remote.address, remote.weight, HealthStatus::Unknown).message(
        METADATA,
        metadata([
            ("envoy.lb", texts(without_service(&remote.tags))),
            (
                "envoy.transport_socket_match",
                texts(without_service(&remote.tags)),
            ),
        ]),
    )
}

/// Tags by which subsets and transport sockets are chosen. The service is the cluster's, the same for all.
fn without_service(tags: &Tags) -> impl Iterator<Item = (&String, &String)> {
    tags.iter().filter(|(name, _)| *name != SERVICE)
}

fn endpoint<'a>(at: std::net::SocketAddr, weight: u32, health: HealthStatus) -> Message<'a> {
    let endpoint = LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            address: address(at.ip().to_string(), at.port()),
            ..Endpoint::default()
        })),
        health_status: health.into(),
        load_balancing_weight: number(weight),
        ..LbEndpoint::default()
    };
    Message::default().fields(endpoint.encode_to_vec())
}
