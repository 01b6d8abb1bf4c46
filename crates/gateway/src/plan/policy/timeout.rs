//! Timeout: how long things may take.

use std::time::Duration;

use portolan_model::Resource;
use portolan_proto::mesh;

use super::{Acts, Conf, Policy, given};
use crate::fault::Fault;

/// Limits in time; what is not given keeps its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeout {
    /// Connecting to an instance.
    pub connect: Option<Duration>,
    /// A connection through a TCP or TLS listener without a byte.
    pub tcp_idle: Option<Duration>,
    /// A request, from its last byte to the last byte of its answer.
    pub request: Option<Duration>,
    /// A connection to an instance without requests.
    pub http_idle: Option<Duration>,
    /// A request without a byte in either direction.
    pub stream_idle: Option<Duration>,
    /// A request as a whole, however much it moves.
    pub max_stream: Option<Duration>,
}

impl Conf for Timeout {
    fn read(resource: &Resource, _: &mut Vec<Fault>) -> Option<Policy<Self>> {
        // Stores hold only specs that are messages of their kind.
        let spec: mesh::Timeout = resource.spec_as().ok()?;
        let conf = spec.conf.unwrap_or_default();
        let (tcp, http, grpc) = (conf.tcp, conf.http, conf.grpc);
        let (tcp, http, grpc) = (
            tcp.unwrap_or_default(),
            http.unwrap_or_default(),
            grpc.unwrap_or_default(),
        );
        let conf = Self {
            // Envoy has no connecting without end.
            connect: given(conf.connect_timeout).filter(|timeout| !timeout.is_zero()),
            tcp_idle: given(tcp.idle_timeout),
            request: given(http.request_timeout),
            http_idle: given(http.idle_timeout),
            // The section for gRPC is older than these fields of the one for HTTP.
            stream_idle: given(http.stream_idle_timeout).or(given(grpc.stream_idle_timeout)),
            max_stream: given(http.max_stream_duration).or(given(grpc.max_stream_duration)),
        };
        Some(Policy::new(resource, spec.sources, spec.destinations, conf))
    }

    fn acts(&self, all: Acts) -> Acts {
        Acts {
            on_tcp: all.on_tcp && self.tcp_idle.is_some(),
            ..all
        }
    }
}
