//! What requests pass for the sake of policies.

use portolan_model::tags::Tags;

use super::{Chosen, Policies};

/// Filters that requests pass because a policy may be chosen for some of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HttpFilters {
    /// For RateLimits.
    pub rate_limits: bool,
    /// For FaultInjections.
    pub faults: bool,
}

impl HttpFilters {
    /// Those that either has.
    pub fn or(self, other: Self) -> Self {
        Self {
            rate_limits: self.rate_limits || other.rate_limits,
            faults: self.faults || other.faults,
        }
    }
}

impl From<&Chosen> for HttpFilters {
    fn from(chosen: &Chosen) -> Self {
        Self {
            rate_limits: chosen.rate_limit_here().is_some(),
            faults: chosen.fault_injection_here().is_some(),
        }
    }
}

impl Policies {
    /// The filters that requests may need whose listener has these tags, wherever they go.
    pub fn http_filters(&self, source: &Tags) -> HttpFilters {
        HttpFilters {
            rate_limits: self.rate_limit.has_source(source),
            faults: self.fault_injection.has_source(source),
        }
    }
}
