//! Tracing: what a connection manager sends of requests, and the cluster that it is sent to.

use std::net::IpAddr;

use envoy_types::pb::{
    envoy::{
        config::{
            cluster::v3::{
                CircuitBreakers, Cluster,
                circuit_breakers::Thresholds,
                cluster::{ClusterDiscoveryType, DiscoveryType},
            },
            core::v3::{TransportSocket, transport_socket},
            endpoint::v3::{
                ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
                lb_endpoint::HostIdentifier,
            },
            trace::v3::{
                DatadogConfig, ZipkinConfig, tracing::Http, tracing::http::ConfigType,
                zipkin_config::CollectorEndpointVersion,
            },
        },
        extensions::{
            filters::network::http_connection_manager::v3::http_connection_manager::Tracing,
            transport_sockets::tls::v3::UpstreamTlsContext,
        },
        r#type::v3::Percent,
    },
    google::protobuf::BoolValue,
};

use super::{Encoded, address, any, boolean, defaults, duration};
use crate::plan::proxy::{Collector, TraceBackend};

/// Name of the cluster of a backend.
pub(crate) fn collector_name(backend: &TraceBackend) -> String {
    format!("tracing:{}", backend.name)
}

/// What a connection manager traces; `service` is what the gateway is called in traces.
pub(super) fn tracing(backend: &TraceBackend, service: &str) -> Tracing {
    Tracing {
        overall_sampling: backend.sampling.map(|value| Percent { value }),
        provider: Some(match &backend.collector {
            Collector::Zipkin(zipkin) => provider(
                "envoy.tracers.zipkin",
                any(
                    "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig",
                    &ZipkinConfig {
                        collector_cluster: collector_name(backend),
                        collector_endpoint: zipkin.path.to_string(),
                        collector_hostname: zipkin.authority.to_string(),
                        trace_id_128bit: zipkin.long_ids,
                        shared_span_context: zipkin.shared_spans.map(|value| BoolValue { value }),
                        collector_endpoint_version: match zipkin.protobuf {
                            true => CollectorEndpointVersion::HttpProto.into(),
                            false => CollectorEndpointVersion::HttpJson.into(),
                        },
                        ..ZipkinConfig::default()
                    },
                ),
            ),
            // Splitting the service by destination is for proxies of one; a gateway has many.
            Collector::Datadog => provider(
                "envoy.tracers.datadog",
                any(
                    "type.googleapis.com/envoy.config.trace.v3.DatadogConfig",
                    &DatadogConfig {
                        collector_cluster: collector_name(backend),
                        service_name: service.to_owned(),
                        ..DatadogConfig::default()
                    },
                ),
            ),
        }),
        // A gateway is a hop of its own in a trace.
        spawn_upstream_span: boolean(true),
        ..Tracing::default()
    }
}

fn provider(name: &str, config: envoy_types::pb::google::protobuf::Any) -> Http {
    Http {
        name: name.to_owned(),
        config_type: Some(ConfigType::TypedConfig(config)),
    }
}

/// The cluster of a backend.
pub(crate) fn collector_cluster(backend: &TraceBackend) -> Encoded {
    let name = collector_name(backend);
    let (host, port) = (backend.host.to_string(), backend.port);
    let is_address = host.parse::<IpAddr>().is_ok();
    let kind = match is_address {
        true => DiscoveryType::Static,
        false => DiscoveryType::StrictDns,
    };
    let endpoint = LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            address: address(host.clone(), port),
            ..Endpoint::default()
        })),
        ..LbEndpoint::default()
    };
    Encoded::of(&Cluster {
        alt_stat_name: name.replace(':', "_"),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(kind.into())),
        connect_timeout: duration(defaults::CONNECT),
        load_assignment: Some(ClusterLoadAssignment {
            cluster_name: name.clone(),
            endpoints: vec![LocalityLbEndpoints {
                lb_endpoints: vec![endpoint],
                ..LocalityLbEndpoints::default()
            }],
            ..ClusterLoadAssignment::default()
        }),
        circuit_breakers: Some(CircuitBreakers {
            thresholds: vec![Thresholds {
                track_remaining: true,
                ..Thresholds::default()
            }],
            ..CircuitBreakers::default()
        }),
        transport_socket: backend
            .tls
            .then(|| tls(if is_address { "" } else { &host })),
        name,
        ..Cluster::default()
    })
}

fn tls(sni: &str) -> TransportSocket {
    let context = UpstreamTlsContext {
        sni: sni.to_owned(),
        allow_renegotiation: true,
        ..UpstreamTlsContext::default()
    };
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(any(
            "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            &context,
        ))),
    }
}
