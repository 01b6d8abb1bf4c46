//! Timeout.

use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::HttpProtocolOptions;

use crate::{
    envoy::{defaults, duration, writer::Writer},
    plan::policy::{Chosen, Timeout},
};

/// `RouteAction.timeout`
const TIMEOUT: u32 = 8;
/// `RouteAction.idle_timeout`
const IDLE_TIMEOUT: u32 = 24;

/// Writes the fields of a `RouteAction`.
pub(super) fn route_action(timeout: &Timeout, out: &mut Writer) {
    let fields = [
        (TIMEOUT, timeout.request),
        (IDLE_TIMEOUT, timeout.stream_idle),
    ];
    for (field, limit) in fields {
        if let Some(limit) = limit.and_then(duration) {
            out.message(field, &limit);
        }
    }
}

/// How long connecting to an instance may take.
pub(in crate::envoy) fn connect(chosen: &Chosen) -> Duration {
    let timeout = chosen.timeout.as_ref();
    let connect = timeout.and_then(|policy| policy.conf.connect);
    connect.unwrap_or(defaults::CONNECT)
}

/// The limits of a cluster that speaks HTTP.
pub(in crate::envoy) fn http_limits(chosen: &Chosen) -> HttpProtocolOptions {
    let timeout = chosen.timeout.as_ref().map(|policy| &policy.conf);
    let idle = timeout.and_then(|timeout| timeout.http_idle);
    let max_stream = timeout.and_then(|timeout| timeout.max_stream);
    HttpProtocolOptions {
        idle_timeout: duration(idle.unwrap_or(defaults::BACKEND_IDLE)),
        // Written out as "no limit", for both have a default elsewhere in Envoy.
        max_connection_duration: duration(Duration::ZERO),
        max_stream_duration: duration(max_stream.unwrap_or(Duration::ZERO)),
        ..HttpProtocolOptions::default()
    }
}
