//! What lets other zones in: one listener that looks at the name which a connection asks for, and hands its
//! bytes on as they are. TLS ends at the members alone.

use std::collections::BTreeSet;

use envoy_types::pb::envoy::config::{
    cluster::v3::{
        CircuitBreakers, Cluster,
        circuit_breakers::Thresholds,
        cluster::{ClusterDiscoveryType, DiscoveryType, EdsClusterConfig},
    },
    core::v3::TrafficDirection,
    listener::v3::{FilterChain, FilterChainMatch, Listener},
};

use super::{
    Encoded, address, ads, boolean, defaults, duration,
    listener::{closing, tls_inspector},
    mtls::server_name,
    number, policy, tcp_proxy,
};
use crate::plan::{
    destination::Destination,
    ingress::{Ingress, Passage},
    policy::Chosen,
};

/// The listener of a ZoneIngress that lets connections pass to these.
pub(crate) fn ingress_listener<'a>(
    ingress: &Ingress,
    passages: impl Iterator<Item = &'a Passage>,
) -> Encoded {
    let mut names = BTreeSet::new();
    let named = passages.filter_map(|passage| {
        // Envoy looks at names in lower case, and takes none twice.
        let name = server_name(&passage.mesh, &passage.destination).to_ascii_lowercase();
        names.insert(name.clone()).then(|| chain(name, passage))
    });
    let mut chains: Vec<_> = named.collect();
    if chains.is_empty() {
        // Envoy takes no listener without chains.
        chains.push(FilterChain {
            filters: vec![closing()],
            ..FilterChain::default()
        });
    }
    Encoded::of(&Listener {
        name: ingress.listener_name(),
        address: address(ingress.address.clone(), ingress.port),
        filter_chains: chains,
        per_connection_buffer_limit_bytes: number(defaults::CONNECTION_BUFFER),
        listener_filters: vec![tls_inspector()],
        traffic_direction: TrafficDirection::Inbound.into(),
        enable_reuse_port: boolean(true),
        ..Listener::default()
    })
}

fn chain(server_name: String, passage: &Passage) -> FilterChain {
    let Passage {
        mesh,
        destination,
        cluster,
    } = passage;
    let proxy = tcp_proxy::to_one(
        cluster,
        &statistics_name(mesh, destination),
        defaults::PASSING_IDLE,
        &Chosen::default(),
        None,
    );
    FilterChain {
        filter_chain_match: Some(FilterChainMatch {
            server_names: vec![server_name],
            transport_protocol: "tls".to_owned(),
            ..FilterChainMatch::default()
        }),
        filters: vec![proxy],
        ..FilterChain::default()
    }
}

/// The cluster that a passage leads to, whose endpoints come by EDS.
pub(crate) fn ingress_cluster(passage: &Passage) -> Encoded {
    // Those who connect have limits of their own, and one service must not use up another's.
    let unlimited = Thresholds {
        max_connections: number(u32::MAX),
        max_pending_requests: number(u32::MAX),
        ..Thresholds::default()
    };
    Encoded::of(&Cluster {
        name: passage.cluster.to_string(),
        alt_stat_name: statistics_name(&passage.mesh, &passage.destination),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into())),
        eds_cluster_config: Some(EdsClusterConfig {
            eds_config: ads(),
            ..EdsClusterConfig::default()
        }),
        connect_timeout: duration(policy::timeout::connect(&Chosen::default())),
        per_connection_buffer_limit_bytes: number(defaults::CONNECTION_BUFFER),
        circuit_breakers: Some(CircuitBreakers {
            thresholds: vec![unlimited],
            ..CircuitBreakers::default()
        }),
        ..Cluster::default()
    })
}

fn statistics_name(mesh: &str, destination: &Destination) -> String {
    format!("{mesh}_{}", destination.service())
}
