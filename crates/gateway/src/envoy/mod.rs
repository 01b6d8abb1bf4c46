//! The plan to Envoy's protobuf messages, each encoded once.

mod access_log;
mod cluster;
mod connection_manager;
mod defaults;
mod endpoints;
mod external;
mod faults;
mod inbound;
mod ingress;
mod listener;
mod matching;
mod metadata;
mod mtls;
mod outbound;
mod policy;
mod rbac;
mod route;
mod runtime;
mod table;
mod tcp_proxy;
mod tickets;
mod tls;
mod tracing;
mod wire;
mod writer;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use envoy_types::pb::{
    envoy::config::core::v3::{
        Address, AggregatedConfigSource, ApiVersion, ConfigSource, SocketAddress, address,
        config_source::ConfigSourceSpecifier, socket_address::PortSpecifier,
    },
    google::protobuf::{Any, BoolValue, Duration as DurationMessage, UInt32Value},
};
use prost::Message;
use xxhash_rust::xxh3::xxh3_64;

pub(crate) use access_log::Logged;
pub(crate) use cluster::{Upstream, cluster};
pub(crate) use defaults::NO_ROUTES;
pub(crate) use endpoints::{Endpoints, load_assignment};
pub(crate) use external::{Members, external_cluster};
pub(crate) use inbound::{application_cluster, inbound_listener};
pub(crate) use ingress::{ingress_cluster, ingress_listener};
pub(crate) use listener::{ChainUse, Does, Site, listener};
pub use mtls::{all_authorities_secret, authority_secret, identity_secret};
pub(crate) use outbound::{Sender, outbound_listener};
pub(crate) use runtime::{RUNTIME, runtime};
pub(crate) use table::{arranged, route_configuration};
pub(crate) use tickets::name as ticket_keys_name;
pub use tickets::{TICKET_KEY_BYTES, ticket_keys_secret};
pub(crate) use tls::secret;
pub(crate) use tracing::{collector_cluster, collector_name};

/// Type URL of clusters.
pub const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
/// Type URL of the endpoints of clusters.
pub const CLUSTER_LOAD_ASSIGNMENT: &str =
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
/// Type URL of listeners.
pub const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
/// Type URL of route tables.
pub const ROUTE_CONFIGURATION: &str =
    "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
/// Type URL of certificates with their keys.
pub const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
/// Type URL of runtime layers.
pub const RUNTIME_LAYER: &str = "type.googleapis.com/envoy.service.runtime.v3.Runtime";

/// One resource for Envoy, encoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Hash of the content: equal bodies have equal versions, wherever and whenever they are made.
    pub version: Arc<str>,
    /// The message itself, without the `Any` around it.
    pub body: Bytes,
}

/// Without the body: that of a certificate holds its private key.
impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoded")
            .field("version", &self.version)
            .field("bytes", &self.body.len())
            .finish()
    }
}

impl Encoded {
    pub(crate) fn new(body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self {
            version: format!("{:016x}", xxh3_64(&body)).into(),
            body,
        }
    }

    fn of(message: &impl Message) -> Self {
        Self::new(message.encode_to_vec())
    }
}

fn any(type_url: &str, message: &impl Message) -> Any {
    Any {
        type_url: type_url.to_owned(),
        value: message.encode_to_vec(),
    }
}

fn boolean(value: bool) -> Option<BoolValue> {
    Some(BoolValue { value })
}

fn number(value: u32) -> Option<UInt32Value> {
    Some(UInt32Value { value })
}

/// Durations here are constants or come from validated policies; all fit.
fn duration(value: Duration) -> Option<DurationMessage> {
    let seconds = i64::try_from(value.as_secs()).unwrap_or(i64::MAX);
    let nanos = i32::try_from(value.subsec_nanos()).unwrap_or_default();
    Some(DurationMessage { seconds, nanos })
}

fn address(host: String, port: u16) -> Option<Address> {
    let socket = SocketAddress {
        address: host,
        port_specifier: Some(PortSpecifier::PortValue(port.into())),
        ..SocketAddress::default()
    };
    Some(Address {
        address: Some(address::Address::SocketAddress(socket)),
    })
}

/// "Ask the stream that you already have."
fn ads() -> Option<ConfigSource> {
    Some(ConfigSource {
        resource_api_version: ApiVersion::V3.into(),
        config_source_specifier: Some(ConfigSourceSpecifier::Ads(AggregatedConfigSource {})),
        ..ConfigSource::default()
    })
}
