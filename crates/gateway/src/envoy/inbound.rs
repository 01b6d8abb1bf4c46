//! The Envoy listener of one inbound of a member, and the cluster of the application behind it.

use envoy_types::pb::envoy::{
    config::{
        cluster::v3::{
            Cluster,
            cluster::{ClusterDiscoveryType, DiscoveryType},
        },
        core::v3::{HttpProtocolOptions, TrafficDirection},
        endpoint::v3::{
            ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
            lb_endpoint::HostIdentifier,
        },
        listener::v3::{Filter, FilterChain, FilterChainMatch, Listener},
        route::v3::{
            Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost,
            route::Action,
            route_action::{ClusterNotFoundResponseCode, ClusterSpecifier},
            route_match::PathSpecifier,
        },
    },
    extensions::filters::network::{
        http_connection_manager::v3::{
            HttpConnectionManager,
            http_connection_manager::{
                ForwardClientCertDetails, RouteSpecifier, SetCurrentClientCertDetails,
            },
        },
        tcp_proxy::v3::{TcpProxy, tcp_proxy},
    },
};
use prost::Message as _;

use super::{
    Encoded, address, boolean,
    cluster::{Upstream, to_application},
    connection_manager, defaults, duration, listener,
    listener::network_filter,
    metadata::{metadata, texts},
    mtls, policy, rbac,
    tracing::tracing,
    wire::Message,
};
use crate::plan::{
    member::Inbound,
    mtls::Mtls,
    policy::{OnInbound, Scope},
    proxy::TraceBackend,
    spoken::Spoken,
};

/// `Listener.metadata`
const METADATA: u32 = 6;

/// The listener of an inbound in a mesh with this mutual TLS. Where there is any, `permission` says who
/// may connect with it, nobody may without, and `on` what their requests get: who connects without it does not
/// say who it is.
pub(crate) fn inbound_listener(
    inbound: &Inbound,
    mtls: Option<&Mtls>,
    permission: Option<&Scope>,
    on: &OnInbound,
    traced: Option<&TraceBackend>,
) -> Encoded {
    let name = inbound.listener_name();
    let plain = |matching| FilterChain {
        filter_chain_match: matching,
        filters: vec![to_the_application(inbound, &OnInbound::default(), traced)],
        ..FilterChain::default()
    };
    let members = |mtls: &Mtls, matching| {
        let permitted = rbac::filter(&name, &mtls.mesh, permission);
        FilterChain {
            filters: vec![permitted, to_the_application(inbound, on, traced)],
            transport_socket: Some(mtls::from_members(&mtls.mesh)),
            ..plain(matching)
        }
    };
    let filter_chains = match mtls {
        None => vec![plain(None)],
        Some(mtls) if !mtls.permissive => vec![members(mtls, None)],
        // TLS that is not the mesh's is the application's own.
        Some(mtls) => vec![
            plain(transport("raw_buffer", &[])),
            plain(transport("tls", &[])),
            members(mtls, transport("tls", &[mtls::ALPN])),
        ],
    };
    let looks_for_tls = filter_chains.len() > 1;
    let frame = Listener {
        name: name.to_string(),
        address: address(inbound.at.ip().to_string(), inbound.at.port()),
        filter_chains,
        listener_filters: match looks_for_tls {
            true => vec![listener::tls_inspector()],
            false => Vec::new(),
        },
        traffic_direction: TrafficDirection::Inbound.into(),
        enable_reuse_port: boolean(true),
        ..Listener::default()
    };
    let tags = texts(inbound.tags.iter());
    let listener = Message::default()
        .fields(frame.encode_to_vec())
        .message(METADATA, metadata([("io.kuma.tags", tags)]));
    Encoded::new(listener.encode())
}

fn transport(protocol: &str, applications: &[&str]) -> Option<FilterChainMatch> {
    let applications = applications.iter();
    Some(FilterChainMatch {
        transport_protocol: protocol.to_owned(),
        application_protocols: applications.map(|one| (*one).to_owned()).collect(),
        ..FilterChainMatch::default()
    })
}

fn to_the_application(inbound: &Inbound, on: &OnInbound, traced: Option<&TraceBackend>) -> Filter {
    let cluster = inbound.cluster_name();
    match inbound.spoken {
        Spoken::Http1 | Spoken::Http2 => {
            connection_manager::as_filter(&manager(inbound, on, traced))
        }
        Spoken::Tcp => network_filter(
            "envoy.filters.network.tcp_proxy",
            "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            &TcpProxy {
                stat_prefix: rbac::statistics_name(&cluster),
                cluster_specifier: Some(tcp_proxy::ClusterSpecifier::Cluster(cluster.to_string())),
                idle_timeout: duration(defaults::INBOUND_IDLE),
                ..TcpProxy::default()
            },
        ),
    }
}

fn manager(
    inbound: &Inbound,
    on: &OnInbound,
    traced: Option<&TraceBackend>,
) -> HttpConnectionManager {
    let mut http_filters = policy::inbound::filters(on);
    http_filters.push(connection_manager::router());
    HttpConnectionManager {
        stat_prefix: rbac::statistics_name(&inbound.cluster_name()),
        route_specifier: Some(RouteSpecifier::RouteConfig(routes(inbound, on))),
        http_filters,
        tracing: traced.map(|backend| tracing(backend, inbound.service())),
        local_reply_config: policy::inbound::answers(on),
        common_http_protocol_options: Some(HttpProtocolOptions {
            idle_timeout: duration(defaults::INBOUND_IDLE),
            ..HttpProtocolOptions::default()
        }),
        stream_idle_timeout: duration(defaults::INBOUND_STREAM_IDLE),
        internal_address_config: Some(connection_manager::internal_addresses()),
        normalize_path: boolean(true),
        // The application learns who calls, from us alone.
        forward_client_cert_details: ForwardClientCertDetails::SanitizeSet.into(),
        set_current_client_cert_details: Some(SetCurrentClientCertDetails {
            uri: true,
            ..SetCurrentClientCertDetails::default()
        }),
        ..HttpConnectionManager::default()
    }
}

/// Everything to the application, without an end: whoever calls says how long it waits.
fn routes(inbound: &Inbound, on: &OnInbound) -> RouteConfiguration {
    let service = inbound.service();
    let everything = Route {
        r#match: Some(anything()),
        action: Some(Action::Route(RouteAction {
            cluster_specifier: Some(ClusterSpecifier::Cluster(
                inbound.cluster_name().to_string(),
            )),
            cluster_not_found_response_code: ClusterNotFoundResponseCode::InternalServerError
                .into(),
            timeout: duration(std::time::Duration::ZERO),
            ..RouteAction::default()
        })),
        ..Route::default()
    };
    let limited = on.rate_limits.iter().map(|one| Route {
        r#match: Some(RouteMatch {
            headers: vec![policy::inbound::sent_by(&one.senders)],
            ..anything()
        }),
        typed_per_filter_config: policy::inbound::per_route(&one.policy.conf),
        ..everything.clone()
    });
    RouteConfiguration {
        name: format!("inbound:{service}"),
        virtual_hosts: vec![VirtualHost {
            name: service.to_owned(),
            domains: vec!["*".to_owned()],
            routes: limited.chain([everything.clone()]).collect(),
            ..VirtualHost::default()
        }],
        // It is between proxies.
        request_headers_to_remove: vec![defaults::TAGS_HEADER.to_owned()],
        validate_clusters: boolean(false),
        ..RouteConfiguration::default()
    }
}

fn anything() -> RouteMatch {
    RouteMatch {
        path_specifier: Some(PathSpecifier::Prefix("/".to_owned())),
        ..RouteMatch::default()
    }
}

/// The cluster of the application.
pub(crate) fn application_cluster(inbound: &Inbound) -> Encoded {
    let name = inbound.cluster_name().to_string();
    let at = inbound.application;
    let endpoint = LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            address: address(at.ip().to_string(), at.port()),
            ..Endpoint::default()
        })),
        ..LbEndpoint::default()
    };
    Encoded::of(&Cluster {
        name: name.clone(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Static.into())),
        load_assignment: Some(ClusterLoadAssignment {
            cluster_name: name,
            endpoints: vec![LocalityLbEndpoints {
                lb_endpoints: vec![endpoint],
                ..LocalityLbEndpoints::default()
            }],
            ..ClusterLoadAssignment::default()
        }),
        connect_timeout: duration(defaults::INBOUND_CONNECT),
        typed_extension_protocol_options: to_application(Upstream::from(inbound.spoken)),
        ..Cluster::default()
    })
}
