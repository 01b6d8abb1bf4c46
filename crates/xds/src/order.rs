//! In which order types are sent and removed, as data.

use crate::type_urls::{CLUSTER, ENDPOINTS, LISTENER, ROUTES, RUNTIME, SECRET};

/// Added and changed in this order: what is used before its users.
const MAKE: [&str; 6] = [RUNTIME, SECRET, CLUSTER, ENDPOINTS, LISTENER, ROUTES];
/// Removed in this order: users before what they used.
const BREAK: [&str; 6] = [LISTENER, ROUTES, CLUSTER, ENDPOINTS, SECRET, RUNTIME];

/// Types of which a proxy that is served has every resource; of the others it takes what it asks for.
pub(crate) const SERVED: [&str; 4] = [CLUSTER, ENDPOINTS, LISTENER, ROUTES];

/// A changed or new resource of the first type makes the proxy forget the one of the second with the same
/// name, and wait for it: Envoy warms a cluster anew with its endpoints.
pub(crate) const RENEWS: (&str, &str) = (CLUSTER, ENDPOINTS);

/// Position in the order of sending; unknown types come last.
pub(crate) fn make(type_url: &str) -> usize {
    MAKE.iter().position(|known| *known == type_url).unwrap_or(MAKE.len())
}

/// Position in the order of removing; unknown types come first.
pub(crate) fn unmake(type_url: &str) -> usize {
    BREAK.iter().position(|known| *known == type_url).map_or(0, |position| position + 1)
}

/// Whether a first request without names asks for everything, and a state-of-the-world response must hold
/// everything.
pub(crate) fn is_wildcard(type_url: &str) -> bool {
    [CLUSTER, LISTENER].contains(&type_url)
}
