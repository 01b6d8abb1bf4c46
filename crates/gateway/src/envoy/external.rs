//! The cluster of external services, which has its endpoints with it.

use std::collections::BTreeMap;

use envoy_types::pb::{
    envoy::{
        config::{
            cluster::v3::{
                Cluster,
                cluster::{
                    ClusterDiscoveryType, DiscoveryType, DnsLookupFamily, TransportSocketMatch,
                },
            },
            common::mutation_rules::v3::{HeaderMutation as Mutation, header_mutation::Action},
            core::v3::Locality,
            endpoint::v3::{
                ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
                lb_endpoint::HostIdentifier,
            },
        },
        extensions::filters::{
            http::{
                header_mutation::v3::{HeaderMutation, Mutations},
                upstream_codec::v3::UpstreamCodec,
            },
            network::http_connection_manager::v3::HttpFilter,
        },
    },
    google::protobuf::{Struct, Value, value::Kind},
};
use portolan_model::tags::SERVICE;
use prost::Message as _;

use super::{
    Encoded, address,
    cluster::{Upstream, without_endpoints},
    connection_manager::http_filter,
    defaults,
    metadata::{metadata, texts},
    number, tls,
    wire::Message,
};
use crate::plan::{
    external::{self, External, Host},
    policy::Chosen,
};

/// `Cluster.load_assignment`
const LOAD_ASSIGNMENT: u32 = 33;
/// `ClusterLoadAssignment.endpoints`
const LOCALITIES: u32 = 2;
/// `LocalityLbEndpoints.lb_endpoints`
const LB_ENDPOINTS: u32 = 2;
/// `LbEndpoint.metadata`
const METADATA: u32 = 3;

/// The tag by which an endpoint finds its TLS: the name of its ExternalService.
const NAME_TAG: &str = "kuma.io/external-service-name";

/// The members of a cluster, and who looks at them.
#[derive(Clone, Copy)]
pub(crate) struct Members<'a> {
    /// All of them; those that cannot be reached are left out.
    pub(crate) all: &'a [&'a External],
    /// The zone of the proxies.
    pub(crate) zone: &'a str,
    /// Whether those near to other zones wait until none of the own is left.
    pub(crate) prefers_own_zone: bool,
    /// Whether the proxies have IPv6 addresses.
    pub(crate) ipv6: bool,
}

/// One endpoint.
#[derive(Clone, Copy)]
struct Member<'a> {
    external: &'a External,
    endpoint: &'a external::Endpoint,
}

impl<'a> Member<'a> {
    /// Of that name in its own mesh.
    fn name(&self) -> &'a str {
        self.external.author.name()
    }

    /// What of it makes it another endpoint for Envoy.
    fn is_same(&self, other: &Self) -> bool {
        let (one, other) = (self.endpoint, other.endpoint);
        let plain = one.tls.is_none() && other.tls.is_none();
        plain && one.host == other.host && one.port == other.port
    }
}

/// The cluster of this name, with these policies for its connections.
pub(crate) fn external_cluster(
    name: &str,
    upstream: Upstream,
    chosen: &Chosen,
    of: Members<'_>,
) -> Encoded {
    let mut members: Vec<Member<'_>> = Vec::with_capacity(of.all.len());
    for external in of.all {
        if let Some(endpoint) = &external.endpoint {
            let member = Member { external, endpoint };
            if !members.iter().any(|other| other.is_same(&member)) {
                members.push(member);
            }
        }
    }
    let is_named = |member: &Member<'_>| matches!(member.endpoint.host, Host::Name(_));
    let named = members.iter().any(is_named);
    let discovery = match named {
        true => DiscoveryType::StrictDns,
        false => DiscoveryType::Static,
    };
    let family = match (named, of.ipv6) {
        // The default, which says nothing.
        (false, _) | (true, true) => DnsLookupFamily::Auto,
        // Addresses that stand beside names are looked up as well, and may be of IPv6.
        (true, false) => DnsLookupFamily::V4Preferred,
    };
    let cluster = Cluster {
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(discovery.into())),
        dns_lookup_family: family.into(),
        transport_socket_matches: members.iter().filter_map(socket).collect(),
        ..without_endpoints(name, upstream, chosen, http_filters())
    };
    let cluster = Message::default()
        .fields(cluster.encode_to_vec())
        .message(LOAD_ASSIGNMENT, assignment(name, &members, of));
    Encoded::new(cluster.encode())
}

/// The tags of the gateway are for members of the mesh alone. Taken out here, where requests leave, routes
/// need not know which of their backends are external.
fn http_filters() -> Vec<HttpFilter> {
    let tags = Mutation {
        action: Some(Action::Remove(defaults::TAGS_HEADER.to_owned())),
    };
    let mutation = HeaderMutation {
        mutations: Some(Mutations {
            request_mutations: vec![tags],
            ..Mutations::default()
        }),
        ..HeaderMutation::default()
    };
    vec![
        http_filter(
            "envoy.filters.http.header_mutation",
            "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
            &mutation,
        ),
        http_filter(
            "envoy.filters.http.upstream_codec",
            "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec",
            &UpstreamCodec::default(),
        ),
    ]
}

fn socket(member: &Member<'_>) -> Option<TransportSocketMatch> {
    let tls = member.endpoint.tls.as_ref()?;
    let name = Value {
        kind: Some(Kind::StringValue(member.name().to_owned())),
    };
    Some(TransportSocketMatch {
        name: member.name().to_owned(),
        // One field alone: generated maps have no order.
        r#match: Some(Struct {
            fields: [(NAME_TAG.to_owned(), name)].into(),
        }),
        transport_socket: Some(tls::upstream_socket(tls)),
    })
}

fn assignment<'a>(name: &str, members: &[Member<'a>], of: Members<'_>) -> Message<'a> {
    let frame = ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        ..ClusterLoadAssignment::default()
    };
    let waits = |member: &Member<'_>| {
        let zone = member.external.zone();
        of.prefers_own_zone && zone.is_some_and(|zone| zone != of.zone)
    };
    // Priorities begin with 0 also where all are far.
    let near = members.iter().any(|member| !waits(member));
    let mut localities: BTreeMap<(bool, Option<&str>), Vec<Member<'_>>> = BTreeMap::new();
    for member in members {
        let locality = (near && waits(member), member.external.zone());
        localities.entry(locality).or_default().push(*member);
    }
    let mut assignment = Message::default().fields(frame.encode_to_vec());
    for ((waits, zone), members) in localities {
        let locality = LocalityLbEndpoints {
            locality: zone.map(|zone| Locality {
                zone: zone.to_owned(),
                ..Locality::default()
            }),
            priority: waits.into(),
            ..LocalityLbEndpoints::default()
        };
        let mut endpoints = Message::default().fields(locality.encode_to_vec());
        for member in members {
            endpoints.push_message(LB_ENDPOINTS, lb_endpoint(member));
        }
        assignment.push_message(LOCALITIES, endpoints);
    }
    assignment
}

fn lb_endpoint(member: Member<'_>) -> Message<'_> {
    let host = member.endpoint.host.text();
    let endpoint = LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            address: address(host, member.endpoint.port),
            ..Endpoint::default()
        })),
        load_balancing_weight: number(1),
        ..LbEndpoint::default()
    };
    // The service is the cluster's, the same for all; the name is ours to say.
    let tags = member.external.tags.iter();
    let tags = tags.filter(|(name, _)| ![SERVICE, NAME_TAG].contains(&name.as_str()));
    let tls = member.endpoint.tls.as_ref();
    let named = tls.map(|_| (NAME_TAG, member.name()));
    let metadata = metadata([
        ("envoy.lb", texts(tags)),
        ("envoy.transport_socket_match", texts(named.into_iter())),
    ]);
    Message::default()
        .fields(endpoint.encode_to_vec())
        .message(METADATA, metadata)
}
