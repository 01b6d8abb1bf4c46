//! Resources by name, changed in place.

use std::sync::Arc;

use crate::{compiled::Resources, envoy::Encoded};

/// Takes a resource out; whether it was there. If not, no copy of the rest is made.
pub(super) fn take_out(resources: &mut Resources, name: &str) -> bool {
    resources.contains_key(name) && Arc::make_mut(resources).remove(name).is_some()
}

/// Puts a resource in the place of the one of that name; whether it differs.
pub(super) fn replace(resources: &mut Resources, name: Arc<str>, encoded: Encoded) -> bool {
    if resources.get(&name) == Some(&encoded) {
        return false;
    }
    Arc::make_mut(resources).insert(name, encoded);
    true
}
