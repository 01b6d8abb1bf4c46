//! The Envoy listener of one outbound of a DELEGATED gateway instance or a member.

use envoy_types::pb::envoy::{
    config::{
        core::v3::{HttpProtocolOptions, TrafficDirection},
        listener::v3::{FilterChain, Listener},
        route::v3::{Route, RouteConfiguration, VirtualHost},
    },
    extensions::filters::network::http_connection_manager::v3::{
        HttpConnectionManager, http_connection_manager::RouteSpecifier,
    },
};
use portolan_model::tags::Tags;
use prost::Message as _;

use super::{
    Encoded, Logged, address, boolean, connection_manager, defaults, duration,
    metadata::{metadata, texts},
    policy, route, table, tcp_proxy,
    tracing::tracing,
    wire::Message,
};
use crate::plan::{
    destination::Destination,
    outbound::Outbound,
    policy::{Chosen, HttpFilters},
    proxy::TraceBackend,
    spoken::Spoken,
};

/// `Listener.metadata`
const METADATA: u32 = 6;

/// Who sends through an outbound, and what is told of it.
pub(crate) struct Sender<'a> {
    /// Its service.
    pub(crate) service: &'a str,
    /// The tags that others are told.
    pub(crate) tags: &'a Tags,
    /// The access log, if there is one.
    pub(crate) logged: Option<Logged<'a>>,
    /// Where traces go, if anywhere.
    pub(crate) traced: Option<&'a TraceBackend>,
}

/// The listener of an outbound to the cluster of this name, with these policies.
pub(crate) fn outbound_listener(
    outbound: &Outbound,
    cluster: &str,
    chosen: &Chosen,
    spoken: Spoken,
    sender: &Sender<'_>,
) -> Encoded {
    let service = outbound.destination.service();
    let filter = match spoken {
        Spoken::Http1 | Spoken::Http2 => {
            let to = (cluster, &*outbound.destination);
            connection_manager::as_filter(&manager(to, chosen, sender))
        }
        Spoken::Tcp => {
            let logged = sender.logged.as_ref();
            tcp_proxy::to_one(cluster, service, defaults::BACKEND_IDLE, chosen, logged)
        }
    };
    let frame = Listener {
        name: outbound.listener_name().to_string(),
        address: address(outbound.at.ip().to_string(), outbound.at.port()),
        filter_chains: vec![FilterChain {
            filters: vec![filter],
            ..FilterChain::default()
        }],
        traffic_direction: TrafficDirection::Outbound.into(),
        // Nobody redirects connections here, so the port itself has to be open.
        bind_to_port: boolean(true),
        ..Listener::default()
    };
    let tags = texts(outbound.destination.tags().iter());
    let listener = Message::default()
        .fields(frame.encode_to_vec())
        .message(METADATA, metadata([("io.kuma.tags", tags)]));
    Encoded::new(listener.encode())
}

/// Leaves `x-forwarded-for` and the like as they come: the gateway in front knows the client, and is
/// itself the only one that connects here.
fn manager(
    (cluster, destination): (&str, &Destination),
    chosen: &Chosen,
    sender: &Sender<'_>,
) -> HttpConnectionManager {
    let routes = routes((cluster, destination), chosen, sender.tags);
    let mut filters = connection_manager::of_policies(HttpFilters::from(chosen));
    filters.push(connection_manager::router());
    HttpConnectionManager {
        stat_prefix: destination.service().to_owned(),
        route_specifier: Some(RouteSpecifier::RouteConfig(routes)),
        http_filters: filters,
        access_log: sender.logged.iter().filter_map(Logged::requests).collect(),
        tracing: sender
            .traced
            .map(|backend| tracing(backend, sender.service)),
        common_http_protocol_options: Some(HttpProtocolOptions {
            // The gateway in front keeps its connections as long as we keep ours.
            idle_timeout: duration(defaults::BACKEND_IDLE),
            ..HttpProtocolOptions::default()
        }),
        stream_idle_timeout: duration(defaults::STREAM_IDLE),
        internal_address_config: Some(connection_manager::internal_addresses()),
        normalize_path: boolean(true),
        ..HttpConnectionManager::default()
    }
}

/// Everything to the cluster. In the listener itself: it is small, and says the same for good.
fn routes(
    (cluster, destination): (&str, &Destination),
    chosen: &Chosen,
    gateway_tags: &Tags,
) -> RouteConfiguration {
    let service = destination.service();
    let everything = route::to_cluster(cluster, destination, chosen);
    RouteConfiguration {
        name: format!("outbound:{service}"),
        virtual_hosts: vec![VirtualHost {
            name: service.to_owned(),
            domains: vec!["*".to_owned()],
            // What was written this moment can be read.
            routes: Route::decode(&*everything).into_iter().collect(),
            retry_policy: policy::retry::default(chosen.defaults),
            ..VirtualHost::default()
        }],
        request_headers_to_add: vec![table::gateway_tags(gateway_tags)],
        validate_clusters: boolean(false),
        ..RouteConfiguration::default()
    }
}
