//! What connection policies make of routes and clusters. A kind is a module here; where several meet in one
//! of Envoy's messages, each writes its own fields.

pub(super) mod circuit_breaker;
pub(super) mod fault_injection;
pub(super) mod health_check;
pub(super) mod inbound;
pub(super) mod rate_limit;
pub(super) mod retry;
pub(super) mod timeout;

use prost::Message;

use super::writer::Writer;
use crate::plan::{destination::Destination, policy::Chosen};

/// `Route.typed_per_filter_config`
pub(super) const ON_ROUTE: u32 = 13;
/// `VirtualHost.typed_per_filter_config`
pub(super) const ON_HOST: u32 = 15;
/// Key of every protobuf map entry.
const KEY: u32 = 1;
/// Value of every protobuf map entry.
const VALUE: u32 = 2;
/// `google.protobuf.Any.type_url`
const TYPE_URL: u32 = 1;
/// `google.protobuf.Any.value`
const ANY_VALUE: u32 = 2;

/// A filter of the connection manager that policies need.
#[derive(Clone, Copy, Debug)]
pub(super) struct HttpFilter {
    /// By which routes name it.
    pub(super) name: &'static str,
    /// Type of its configuration, in the connection manager and on routes.
    pub(super) type_url: &'static str,
}

/// Whether a route with these policies counts its requests, so that it must not stand in two places.
pub(super) fn counts(chosen: &Chosen) -> bool {
    let limit = chosen.rate_limit_here();
    limit.is_some_and(|policy| policy.conf.limit.is_some())
}

/// Writes the fields of a `Route` to backends that policies decide, but for those of its `RouteAction`
/// and for faults, which may stand on its host.
pub(super) fn route(chosen: &Chosen, out: &mut Writer) {
    let limit = chosen.rate_limit_here();
    if let Some(limit) = limit.and_then(|policy| policy.conf.limit.as_ref()) {
        let limit = rate_limit::on_route(limit);
        per_filter(ON_ROUTE, rate_limit::FILTER, &limit, out);
    }
}

/// Writes the faults of a `Route` that has its host for itself.
pub(super) fn faults(chosen: &Chosen, out: &mut Writer) {
    if let Some(policy) = chosen.fault_injection_here() {
        let faults = fault_injection::on_route(&policy.conf);
        per_filter(ON_ROUTE, fault_injection::FILTER, &faults, out);
    }
}

/// Writes the fields of a `RouteAction` to these destinations that policies decide.
pub(super) fn route_action<'a>(
    chosen: &Chosen,
    mut destinations: impl Iterator<Item = &'a Destination>,
    out: &mut Writer,
) {
    if let Some(policy) = &chosen.timeout {
        timeout::route_action(&policy.conf, out);
    }
    if chosen.retry.is_some() || chosen.timeout.is_some() {
        let speaks_grpc = destinations.all(Destination::says_grpc);
        retry::route_action(chosen, speaks_grpc, out);
    }
}

/// Writes what a filter does where `field` stands, [`ON_ROUTE`] or [`ON_HOST`].
pub(super) fn per_filter(field: u32, filter: HttpFilter, config: &impl Message, out: &mut Writer) {
    out.nested(field, |out| {
        out.text(KEY, filter.name);
        out.nested(VALUE, |out| {
            out.text(TYPE_URL, filter.type_url);
            out.message(ANY_VALUE, config);
        });
    });
}
