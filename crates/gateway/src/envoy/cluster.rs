//! The cluster for one destination behind one listener.

use std::collections::HashMap;

use envoy_types::pb::{
    envoy::{
        config::{
            cluster::v3::{
                Cluster,
                cluster::{ClusterDiscoveryType, DiscoveryType, EdsClusterConfig},
            },
            core::v3::{
                Http1ProtocolOptions, Http2ProtocolOptions,
                HttpProtocolOptions as CommonHttpOptions,
            },
        },
        extensions::{
            filters::network::http_connection_manager::v3::HttpFilter,
            upstreams::http::v3::{
                HttpProtocolOptions,
                http_protocol_options::{
                    ExplicitHttpConfig, UpstreamProtocolOptions,
                    explicit_http_config::ProtocolConfig,
                },
            },
        },
    },
    google::protobuf::Any,
};

use super::{Encoded, ads, any, defaults, duration, mtls, number, policy};
use crate::plan::{destination::Destination, mtls::Mtls, policy::Chosen, spoken::Spoken};

const HTTP_PROTOCOL_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// What is spoken with the instances of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upstream {
    Tcp,
    Http1,
    Http2,
}

impl From<Spoken> for Upstream {
    fn from(spoken: Spoken) -> Self {
        match spoken {
            Spoken::Tcp => Self::Tcp,
            Spoken::Http1 => Self::Http1,
            Spoken::Http2 => Self::Http2,
        }
    }
}

/// The cluster of this name, whose endpoints come by EDS, with these policies for its connections. `member`
/// is whose instances they are, if these are connected with by mutual TLS.
pub(crate) fn cluster(
    name: &str,
    upstream: Upstream,
    chosen: &Chosen,
    member: Option<(&Mtls, &Destination)>,
) -> Encoded {
    let cluster = without_endpoints(name, upstream, chosen, Vec::new());
    let fails_over = member.is_some_and(|(mtls, _)| mtls.prefers_own_zone);
    let circuit_breakers = match fails_over {
        true => Some(policy::circuit_breaker::limits_while_zones_change(chosen)),
        false => cluster.circuit_breakers,
    };
    Encoded::of(&Cluster {
        circuit_breakers,
        transport_socket: member
            .map(|(mtls, destination)| mtls::to_destination(&mtls.mesh, destination)),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into())),
        eds_cluster_config: Some(EdsClusterConfig {
            eds_config: ads(),
            ..EdsClusterConfig::default()
        }),
        ..cluster
    })
}

/// The cluster of this name but for its endpoints. HTTP goes through these filters on its way out.
pub(super) fn without_endpoints(
    name: &str,
    upstream: Upstream,
    chosen: &Chosen,
    http_filters: Vec<HttpFilter>,
) -> Cluster {
    let options = |mut options: HttpProtocolOptions| {
        options.http_filters = http_filters;
        typed(&options)
    };
    Cluster {
        name: name.to_owned(),
        connect_timeout: duration(policy::timeout::connect(chosen)),
        per_connection_buffer_limit_bytes: number(defaults::CONNECTION_BUFFER),
        circuit_breakers: Some(policy::circuit_breaker::limits(chosen)),
        outlier_detection: policy::circuit_breaker::outlier_detection(chosen),
        health_checks: policy::health_check::check(chosen, upstream)
            .into_iter()
            .collect(),
        common_lb_config: policy::health_check::panic(chosen),
        // An instance that is gone gets nothing, even if it still answers checks.
        ignore_health_on_host_removal: chosen.health_check.is_some(),
        typed_extension_protocol_options: protocol_options(upstream, chosen)
            .map(options)
            .unwrap_or_default(),
        ..Cluster::default()
    }
}

fn typed(options: &HttpProtocolOptions) -> HashMap<String, Any> {
    let options = any(
        "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        options,
    );
    HashMap::from([(HTTP_PROTOCOL_OPTIONS.to_owned(), options)])
}

/// How a member speaks with its application.
pub(super) fn to_application(upstream: Upstream) -> HashMap<String, Any> {
    let protocol = match upstream {
        Upstream::Tcp => return HashMap::new(),
        Upstream::Http1 => ProtocolConfig::HttpProtocolOptions(Http1ProtocolOptions::default()),
        Upstream::Http2 => ProtocolConfig::Http2ProtocolOptions(Http2ProtocolOptions::default()),
    };
    typed(&HttpProtocolOptions {
        common_http_protocol_options: Some(CommonHttpOptions {
            idle_timeout: duration(defaults::INBOUND_IDLE),
            ..CommonHttpOptions::default()
        }),
        upstream_protocol_options: Some(UpstreamProtocolOptions::ExplicitHttpConfig(
            ExplicitHttpConfig {
                protocol_config: Some(protocol),
            },
        )),
        ..HttpProtocolOptions::default()
    })
}

/// Nothing where no HTTP is spoken.
fn protocol_options(upstream: Upstream, chosen: &Chosen) -> Option<HttpProtocolOptions> {
    let protocol = match upstream {
        Upstream::Tcp => return None,
        Upstream::Http1 => ProtocolConfig::HttpProtocolOptions(Http1ProtocolOptions::default()),
        Upstream::Http2 => ProtocolConfig::Http2ProtocolOptions(Http2ProtocolOptions {
            // Small windows: one slow client must not fill the gateway's memory.
            initial_stream_window_size: number(defaults::HTTP2_STREAM_WINDOW),
            initial_connection_window_size: number(defaults::HTTP2_CONNECTION_WINDOW),
            ..Http2ProtocolOptions::default()
        }),
    };
    Some(HttpProtocolOptions {
        common_http_protocol_options: Some(policy::timeout::http_limits(chosen)),
        upstream_protocol_options: Some(UpstreamProtocolOptions::ExplicitHttpConfig(
            ExplicitHttpConfig {
                protocol_config: Some(protocol),
            },
        )),
        ..HttpProtocolOptions::default()
    })
}
