//! What connection policies make of routes and clusters. A kind is a module here; where several meet in one
//! of Envoy's messages, each writes its own fields.

pub(super) mod timeout;

use super::writer::Writer;
use crate::plan::policy::Chosen;

/// Writes the fields of a `RouteAction` that policies decide.
pub(super) fn route_action(chosen: &Chosen, out: &mut Writer) {
    if let Some(policy) = &chosen.timeout {
        timeout::route_action(&policy.conf, out);
    }
}
