//! In which order types are sent and removed, as data.

use crate::type_urls::{CLUSTER, ENDPOINTS, LISTENER, ROUTES, RUNTIME, SECRET};

/// What must have happened before a type is sent.
pub(crate) struct Step {
    pub(crate) type_url: &'static str,
    /// These must have been sent; their answers may still be awaited.
    pub(crate) sent: &'static [&'static str],
    /// These must have been acknowledged.
    pub(crate) acknowledged: &'static [&'static str],
}

/// Added and changed in this order: what is used before its users. Endpoints go out while the clusters
/// still await their answer, because Envoy withholds that until the clusters are warm.
pub(crate) const MAKE: [Step; 6] = [
    Step { type_url: RUNTIME, sent: &[], acknowledged: &[] },
    Step { type_url: SECRET, sent: &[], acknowledged: &[] },
    Step { type_url: CLUSTER, sent: &[SECRET], acknowledged: &[] },
    Step { type_url: ENDPOINTS, sent: &[CLUSTER], acknowledged: &[] },
    Step { type_url: LISTENER, sent: &[SECRET], acknowledged: &[CLUSTER, ENDPOINTS] },
    Step { type_url: ROUTES, sent: &[LISTENER], acknowledged: &[CLUSTER, ENDPOINTS] },
];
/// Removed in this order: users before what they used.
const BREAK: [&str; 6] = [LISTENER, ROUTES, CLUSTER, ENDPOINTS, SECRET, RUNTIME];

/// Types of which a proxy that is served has every resource; of the others it takes what it asks for.
pub(crate) const SERVED: [&str; 4] = [CLUSTER, ENDPOINTS, LISTENER, ROUTES];

/// A changed or new resource of the first type makes the proxy forget the one of the second with the same
/// name, and wait for it: Envoy warms a cluster anew with its endpoints.
pub(crate) const RENEWS: (&str, &str) = (CLUSTER, ENDPOINTS);

/// Position in the order of removing; unknown types come first.
pub(crate) fn unmake(type_url: &str) -> usize {
    BREAK.iter().position(|known| *known == type_url).map_or(0, |position| position + 1)
}

/// Whether a first request without names asks for everything, and a state-of-the-world response must hold
/// everything.
pub(crate) fn is_wildcard(type_url: &str) -> bool {
    [CLUSTER, LISTENER].contains(&type_url)
}
