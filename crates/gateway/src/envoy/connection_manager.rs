//! What takes HTTP: the connection manager.

use envoy_types::pb::envoy::{
    config::{
        core::v3::{
            CidrRange, Http2ProtocolOptions, HttpProtocolOptions, TypedExtensionConfig,
            http_protocol_options::HeadersWithUnderscoresAction,
        },
        listener::v3::Filter,
    },
    extensions::{
        compression::gzip::compressor::v3::Gzip,
        filters::{
            http::{
                compressor::v3::{Compressor, compressor::ResponseDirectionConfig},
                fault::v3::HttpFault,
                router::v3::Router,
            },
            network::http_connection_manager::v3::{
                HttpConnectionManager, HttpFilter, Rds,
                http_connection_manager::{
                    InternalAddressConfig, PathWithEscapedSlashesAction, RouteSpecifier,
                },
                http_filter,
            },
        },
    },
};
use prost::Message;

use super::{
    Logged, Site, ads, any, boolean, defaults, duration, listener::network_filter, number, policy,
    tracing::tracing,
};
use crate::plan::policy::HttpFilters;

/// The connection manager with the route table of this name and these filters.
pub(super) fn filter(route_table: &str, site: &Site<'_>, filters: HttpFilters) -> Filter {
    as_filter(&connection_manager(route_table, site, filters))
}

/// A connection manager as what it is in a listener.
pub(super) fn as_filter(manager: &HttpConnectionManager) -> Filter {
    network_filter(
        "envoy.filters.network.http_connection_manager",
        "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        manager,
    )
}

fn connection_manager(
    route_table: &str,
    site: &Site<'_>,
    filters: HttpFilters,
) -> HttpConnectionManager {
    HttpConnectionManager {
        stat_prefix: site.service.to_owned(),
        route_specifier: Some(RouteSpecifier::Rds(Rds {
            config_source: ads(),
            route_config_name: route_table.to_owned(),
        })),
        http_filters: http_filters(filters),
        common_http_protocol_options: Some(HttpProtocolOptions {
            idle_timeout: duration(defaults::CLIENT_IDLE),
            // `a_b` and `a-b` become one header in many backends, so one could pass for the other.
            headers_with_underscores_action: HeadersWithUnderscoresAction::RejectRequest.into(),
            ..HttpProtocolOptions::default()
        }),
        http2_protocol_options: Some(Http2ProtocolOptions {
            max_concurrent_streams: number(defaults::HTTP2_STREAMS),
            initial_stream_window_size: number(defaults::HTTP2_STREAM_WINDOW),
            initial_connection_window_size: number(defaults::HTTP2_CONNECTION_WINDOW),
            allow_connect: true,
            ..Http2ProtocolOptions::default()
        }),
        server_name: defaults::SERVER_NAME.to_owned(),
        stream_idle_timeout: duration(defaults::STREAM_IDLE),
        request_headers_timeout: duration(defaults::REQUEST_HEADERS),
        tracing: site.traced.map(|backend| tracing(backend, site.service)),
        access_log: site.logged.iter().filter_map(Logged::requests).collect(),
        // The edge is where the client's own address is known.
        use_remote_address: boolean(true),
        internal_address_config: Some(internal_addresses()),
        // Routes and backends must see one spelling of a path, or rules can be walked around.
        normalize_path: boolean(true),
        merge_slashes: true,
        path_with_escaped_slashes_action: PathWithEscapedSlashesAction::UnescapeAndRedirect.into(),
        ..HttpConnectionManager::default()
    }
}

/// Whose requests count as internal.
pub(super) fn internal_addresses() -> InternalAddressConfig {
    InternalAddressConfig {
        cidr_ranges: defaults::INTERNAL_ADDRESSES.map(cidr_range).to_vec(),
        ..InternalAddressConfig::default()
    }
}

fn cidr_range((prefix, length): (&str, u32)) -> CidrRange {
    CidrRange {
        address_prefix: prefix.to_owned(),
        prefix_len: number(length),
    }
}

/// What requests pass: the filters of policies that are for the listener, and two that all need. The router
/// sends requests on. The compressor is Kuma's: clients that ask for gzip get it from each of its gateways,
/// and nobody's answers shall grow by moving over. To all others it costs what `portolan-bench traffic` says.
fn http_filters(filters: HttpFilters) -> Vec<HttpFilter> {
    let mut all = of_policies(filters);
    all.push(http_filter(
        "gzip-compress",
        "type.googleapis.com/envoy.extensions.filters.http.compressor.v3.Compressor",
        &compressor(),
    ));
    all.push(router());
    all
}

/// The filters that policies need. Each does nothing but on routes that say otherwise.
pub(super) fn of_policies(filters: HttpFilters) -> Vec<HttpFilter> {
    let mut all = Vec::new();
    if filters.rate_limits {
        let filter = policy::rate_limit::FILTER;
        let idle = policy::rate_limit::idle();
        all.push(http_filter(filter.name, filter.type_url, &idle));
    }
    // Behind the limits: faults are those of a backend, which requests above a limit never reach.
    if filters.faults {
        let filter = policy::fault_injection::FILTER;
        all.push(http_filter(
            filter.name,
            filter.type_url,
            &HttpFault::default(),
        ));
    }
    all
}

/// What sends requests on; the last of all filters.
pub(super) fn router() -> HttpFilter {
    http_filter(
        "envoy.filters.http.router",
        "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        &Router::default(),
    )
}

pub(super) fn http_filter(name: &str, type_url: &str, config: &impl Message) -> HttpFilter {
    HttpFilter {
        name: name.to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(any(type_url, config))),
        ..HttpFilter::default()
    }
}

/// Compresses answers, but none with an `etag`, which names the bytes as the backend sent them.
fn compressor() -> Compressor {
    Compressor {
        compressor_library: Some(TypedExtensionConfig {
            name: "gzip".to_owned(),
            typed_config: Some(any(
                "type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip",
                &Gzip::default(),
            )),
        }),
        response_direction_config: Some(ResponseDirectionConfig {
            disable_on_etag_header: true,
            ..ResponseDirectionConfig::default()
        }),
        ..Compressor::default()
    }
}
