//! What connection policies make of routes and clusters. A kind is a module here; where several meet in one
//! of Envoy's messages, each writes its own fields.

pub(super) mod retry;
pub(super) mod timeout;

use super::writer::Writer;
use crate::plan::{destination::Destination, policy::Chosen};

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
