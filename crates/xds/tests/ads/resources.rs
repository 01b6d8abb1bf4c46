//! Envoy's resources for a gateway with a listener, a route table and some clusters.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use envoy_types::pb::{
    envoy::{
        config::{
            cluster::v3::{
                Cluster,
                cluster::{ClusterDiscoveryType, DiscoveryType, EdsClusterConfig},
            },
            core::v3::{
                Address, AggregatedConfigSource, ApiVersion, ConfigSource, SocketAddress, address,
                config_source::ConfigSourceSpecifier, socket_address::PortSpecifier,
            },
            endpoint::v3::{
                ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
                lb_endpoint::HostIdentifier,
            },
            listener::v3::{Filter, FilterChain, Listener, filter},
            route::v3::{
                Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost, route::Action,
                route_action::ClusterSpecifier, route_match::PathSpecifier,
            },
        },
        extensions::filters::{
            http::router::v3::Router,
            network::http_connection_manager::v3::{
                HttpConnectionManager, HttpFilter, Rds, http_connection_manager::RouteSpecifier,
                http_filter,
            },
        },
    },
    google::protobuf::{Any, Duration},
};
use portolan_xds::{
    Resource, Resources, Snapshot,
    type_urls::{CLUSTER, ENDPOINTS, LISTENER, ROUTES},
};
use prost::Message;

const MANAGER: &str = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";

/// What a proxy should have; grows and shrinks as the test goes on.
#[derive(Clone, Default)]
pub(crate) struct Wanted {
    types: BTreeMap<&'static str, Resources>,
}

impl Wanted {
    pub(crate) fn snapshot(&self, watermark: u64) -> Snapshot {
        let types = self
            .types
            .iter()
            .map(|(type_url, all)| (*type_url, Arc::new(all.clone())));
        Snapshot {
            watermark,
            types: types.collect(),
        }
    }

    pub(crate) fn remove(&mut self, type_url: &str, name: &str) {
        self.types.get_mut(type_url).unwrap().remove(name);
    }

    /// A cluster and where its endpoint is.
    pub(crate) fn backend(&mut self, name: &str, timeout: i64, endpoint: SocketAddr) {
        self.cluster(name, timeout);
        self.endpoint(name, endpoint);
    }

    pub(crate) fn cluster(&mut self, name: &str, timeout: i64) {
        let cluster = Cluster {
            name: name.to_owned(),
            cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into())),
            eds_cluster_config: Some(EdsClusterConfig {
                eds_config: Some(ads()),
                ..EdsClusterConfig::default()
            }),
            connect_timeout: Some(Duration {
                seconds: timeout,
                nanos: 0,
            }),
            ..Cluster::default()
        };
        self.put(CLUSTER, name, &cluster);
    }

    pub(crate) fn endpoint(&mut self, name: &str, endpoint: SocketAddr) {
        let endpoint = HostIdentifier::Endpoint(Endpoint {
            address: Some(address(endpoint.port())),
            ..Endpoint::default()
        });
        let locality = LocalityLbEndpoints {
            lb_endpoints: vec![LbEndpoint {
                host_identifier: Some(endpoint),
                ..LbEndpoint::default()
            }],
            ..LocalityLbEndpoints::default()
        };
        let assignment = ClusterLoadAssignment {
            cluster_name: name.to_owned(),
            endpoints: vec![locality],
            ..ClusterLoadAssignment::default()
        };
        self.put(ENDPOINTS, name, &assignment);
    }

    /// A listener that looks its routes up in a table.
    pub(crate) fn listener(&mut self, name: &str, port: u16, table: &str, statistics: &str) {
        let router = HttpFilter {
            name: "router".to_owned(),
            config_type: Some(http_filter::ConfigType::TypedConfig(any(
                ROUTER,
                &Router::default(),
            ))),
            ..HttpFilter::default()
        };
        let manager = HttpConnectionManager {
            stat_prefix: statistics.to_owned(),
            route_specifier: Some(RouteSpecifier::Rds(Rds {
                config_source: Some(ads()),
                route_config_name: table.to_owned(),
            })),
            http_filters: vec![router],
            ..HttpConnectionManager::default()
        };
        self.filters(name, port, any(MANAGER, &manager));
    }

    /// A listener that Envoy refuses.
    pub(crate) fn bad_listener(&mut self, name: &str, port: u16) {
        let unknown = Any {
            type_url: "type.googleapis.com/example.Unknown".to_owned(),
            ..Any::default()
        };
        self.filters(name, port, unknown);
    }

    fn filters(&mut self, name: &str, port: u16, config: Any) {
        let filter = Filter {
            name: "filter".to_owned(),
            config_type: Some(filter::ConfigType::TypedConfig(config)),
        };
        let listener = Listener {
            name: name.to_owned(),
            address: Some(address(port)),
            filter_chains: vec![FilterChain {
                filters: vec![filter],
                ..FilterChain::default()
            }],
            ..Listener::default()
        };
        self.put(LISTENER, name, &listener);
    }

    /// A table that takes everything to one cluster. Envoy refuses it if there are two equal `domains`.
    pub(crate) fn table(&mut self, name: &str, cluster: &str, domains: &[&str]) {
        let route = Route {
            r#match: Some(RouteMatch {
                path_specifier: Some(PathSpecifier::Prefix("/".to_owned())),
                ..RouteMatch::default()
            }),
            action: Some(Action::Route(RouteAction {
                cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.to_owned())),
                ..RouteAction::default()
            })),
            ..Route::default()
        };
        let host = VirtualHost {
            name: "all".to_owned(),
            domains: domains.iter().map(ToString::to_string).collect(),
            routes: vec![route],
            ..VirtualHost::default()
        };
        let table = RouteConfiguration {
            name: name.to_owned(),
            virtual_hosts: vec![host],
            ..RouteConfiguration::default()
        };
        self.put(ROUTES, name, &table);
    }

    fn put(&mut self, type_url: &'static str, name: &str, message: &impl Message) {
        let body = Bytes::from(message.encode_to_vec());
        // Any text that differs for different content will do.
        let version = format!("{body:?}").into();
        let all = self.types.entry(type_url).or_default();
        all.insert(name.into(), Resource { version, body });
    }
}

fn any(type_url: &str, message: &impl Message) -> Any {
    Any {
        type_url: type_url.to_owned(),
        value: message.encode_to_vec(),
    }
}

fn ads() -> ConfigSource {
    ConfigSource {
        config_source_specifier: Some(
            ConfigSourceSpecifier::Ads(AggregatedConfigSource::default()),
        ),
        resource_api_version: ApiVersion::V3.into(),
        ..ConfigSource::default()
    }
}

fn address(port: u16) -> Address {
    Address {
        address: Some(address::Address::SocketAddress(SocketAddress {
            address: "127.0.0.1".to_owned(),
            port_specifier: Some(PortSpecifier::PortValue(port.into())),
            ..SocketAddress::default()
        })),
    }
}
