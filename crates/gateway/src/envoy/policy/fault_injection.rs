//! FaultInjection.

use std::time::Duration;

use envoy_types::pb::envoy::extensions::filters::{
    common::fault::v3::{
        FaultDelay, FaultRateLimit,
        fault_delay::FaultDelaySecifier,
        fault_rate_limit::{FixedLimit, LimitType},
    },
    http::fault::v3::{FaultAbort, HttpFault, fault_abort::ErrorType},
};

use super::HttpFilter;
use crate::{
    envoy::{duration, route::fraction},
    plan::policy::{FaultInjection, Portion},
};

/// The filter that injects faults; without configuration it injects none.
pub(in crate::envoy) const FILTER: HttpFilter = HttpFilter {
    name: "envoy.filters.http.fault",
    type_url: "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
};

/// What the filter does on a route.
pub(in crate::envoy) fn on_route(injection: &FaultInjection) -> HttpFault {
    HttpFault {
        delay: injection.delay.map(delay),
        abort: injection.abort.map(abort),
        response_rate_limit: injection.bandwidth.map(bandwidth),
        ..HttpFault::default()
    }
}

fn delay(Portion { percentage, what }: Portion<Duration>) -> FaultDelay {
    FaultDelay {
        fault_delay_secifier: duration(what).map(FaultDelaySecifier::FixedDelay),
        percentage: Some(fraction(percentage)),
    }
}

fn abort(Portion { percentage, what }: Portion<u32>) -> FaultAbort {
    FaultAbort {
        error_type: Some(ErrorType::HttpStatus(what)),
        percentage: Some(fraction(percentage)),
        ..FaultAbort::default()
    }
}

fn bandwidth(Portion { percentage, what }: Portion<u64>) -> FaultRateLimit {
    FaultRateLimit {
        limit_type: Some(LimitType::FixedLimit(FixedLimit { limit_kbps: what })),
        percentage: Some(fraction(percentage)),
    }
}
