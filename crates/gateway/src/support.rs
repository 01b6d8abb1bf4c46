//! What gateways make of each kind of policy, for those who read before they write.

use portolan_model::{Kind, kinds};

/// What gateways make of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Support {
    /// The kind.
    pub kind: Kind,
    /// How much of it.
    pub level: Level,
    /// Where it acts.
    pub acts_on: &'static str,
}

/// How much of a kind gateways make use of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// All of it.
    Full,
    /// What concerns gateways.
    Partial,
    /// Nothing: it is kept, checked and given to zones, and whoever writes it is warned.
    None,
}

impl Level {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial => "partial",
            Self::None => "none",
        }
    }
}

/// Every kind of policy, and what is matched like one, by name.
pub const SUPPORT: &[Support] = &[
    of(kinds::CIRCUIT_BREAKER, Level::Full, "clusters"),
    of(
        kinds::EXTERNAL_SERVICE,
        Level::Full,
        "clusters and their endpoints",
    ),
    of(
        kinds::FAULT_INJECTION,
        Level::Full,
        "routes, or inbounds of members with mutual TLS",
    ),
    of(kinds::HEALTH_CHECK, Level::Full, "clusters"),
    of(
        kinds::PROXY_TEMPLATE,
        Level::Full,
        "all that a gateway instance or a member gets, last of all",
    ),
    of(
        kinds::RATE_LIMIT,
        Level::Full,
        "routes, or inbounds of members with mutual TLS",
    ),
    of(kinds::RETRY, Level::Full, "routes, TCP proxies"),
    of(kinds::TIMEOUT, Level::Full, "routes, clusters, TCP proxies"),
    of(
        kinds::TRAFFIC_LOG,
        Level::Partial,
        "listeners of gateways, outbounds of members; backends of type file and tcp",
    ),
    of(
        kinds::TRAFFIC_PERMISSION,
        Level::Full,
        "members in a mesh with mutual TLS, external services",
    ),
    of(
        kinds::TRAFFIC_ROUTE,
        Level::None,
        "nothing; MeshGatewayRoutes route",
    ),
    of(
        kinds::TRAFFIC_TRACE,
        Level::Full,
        "HTTP listeners of gateways, inbounds and outbounds of members, outbounds of delegated gateways",
    ),
    of(
        kinds::VIRTUAL_OUTBOUND,
        Level::None,
        "nothing; gateways have no outbounds by name",
    ),
];

/// The kinds of which gateways use nothing.
pub fn unused() -> impl Iterator<Item = Kind> {
    let unused = SUPPORT.iter().filter(|one| one.level == Level::None);
    unused.map(|one| one.kind)
}

const fn of(kind: Kind, level: Level, acts_on: &'static str) -> Support {
    Support {
        kind,
        level,
        acts_on,
    }
}
