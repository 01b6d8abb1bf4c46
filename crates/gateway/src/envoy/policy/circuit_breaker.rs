//! CircuitBreaker.

use envoy_types::pb::{
    envoy::config::cluster::v3::{CircuitBreakers, OutlierDetection, circuit_breakers::Thresholds},
    google::protobuf::UInt32Value,
};

use crate::{
    envoy::{boolean, defaults, duration, number},
    plan::policy::{Chosen, Consecutive, Limits, Outliers},
};

/// What a cluster may have at a time.
pub(in crate::envoy) fn limits(chosen: &Chosen) -> CircuitBreakers {
    limits_with(chosen, defaults::BACKEND_RETRIES)
}

/// The same where other zones take over when the own has no instance any more: in the milliseconds in between
/// all requests have to be tried again.
pub(in crate::envoy) fn limits_while_zones_change(chosen: &Chosen) -> CircuitBreakers {
    limits_with(chosen, defaults::BACKEND_LIMIT)
}

fn limits_with(chosen: &Chosen, most_retries: u32) -> CircuitBreakers {
    let breaker = chosen.circuit_breaker.as_ref();
    let Limits {
        connections,
        pending,
        retries,
        requests,
    } = breaker.map(|policy| policy.conf.limits).unwrap_or_default();
    let or = |given: Option<u32>, default| {
        let default = chosen.defaults.limits.then_some(default);
        given.or(default).and_then(number)
    };
    let thresholds = Thresholds {
        max_connections: or(connections, defaults::BACKEND_LIMIT),
        max_pending_requests: or(pending, defaults::BACKEND_LIMIT),
        max_requests: or(requests, defaults::BACKEND_LIMIT),
        max_retries: or(retries, most_retries),
        track_remaining: true,
        ..Thresholds::default()
    };
    CircuitBreakers {
        thresholds: vec![thresholds],
        ..CircuitBreakers::default()
    }
}

/// Which instances are left alone; nothing if no policy says so.
pub(in crate::envoy) fn outlier_detection(chosen: &Chosen) -> Option<OutlierDetection> {
    let outliers = chosen.circuit_breaker.as_ref()?.conf.outliers.as_ref()?;
    let Outliers {
        interval,
        ejection,
        most,
        split,
        total,
        gateway,
        local,
        deviation,
        failure,
    } = outliers;
    let deviation_volume = deviation.map(|deviation| deviation.volume);
    let failure_volume = failure.map(|failure| failure.volume);
    Some(OutlierDetection {
        interval: interval.and_then(duration),
        base_ejection_time: ejection.and_then(duration),
        max_ejection_percent: most.and_then(number),
        // Envoy's default of 10 % would be nobody in a service of less than ten.
        always_eject_one_host: most.is_none().then_some(true).and_then(boolean),
        split_external_local_origin_errors: *split,
        consecutive_5xx: in_a_row(*total),
        enforcing_consecutive_5xx: enforced(total.is_some()),
        consecutive_gateway_failure: in_a_row(*gateway),
        enforcing_consecutive_gateway_failure: enforced(gateway.is_some()),
        consecutive_local_origin_failure: in_a_row(*local),
        enforcing_consecutive_local_origin_failure: enforced(local.is_some()),
        success_rate_request_volume: deviation_volume
            .and_then(|volume| volume.requests)
            .and_then(number),
        success_rate_minimum_hosts: deviation_volume
            .and_then(|volume| volume.instances)
            .and_then(number),
        success_rate_stdev_factor: deviation
            .and_then(|deviation| deviation.factor)
            .and_then(thousandths),
        enforcing_success_rate: enforced(deviation.is_some()),
        enforcing_local_origin_success_rate: enforced(deviation.is_some()),
        failure_percentage_request_volume: failure_volume
            .and_then(|volume| volume.requests)
            .and_then(number),
        failure_percentage_minimum_hosts: failure_volume
            .and_then(|volume| volume.instances)
            .and_then(number),
        failure_percentage_threshold: failure
            .and_then(|failure| failure.threshold)
            .and_then(number),
        enforcing_failure_percentage: enforced(failure.is_some()),
        enforcing_failure_percentage_local_origin: enforced(failure.is_some()),
        ..OutlierDetection::default()
    })
}

fn in_a_row(errors: Option<Consecutive>) -> Option<UInt32Value> {
    let Consecutive(count) = errors?;
    count.and_then(number)
}

/// Envoy enforces some detectors by itself; written out, only those that are asked for eject anybody.
fn enforced(given: bool) -> Option<UInt32Value> {
    number(if given { 100 } else { 0 })
}

fn thousandths(factor: f64) -> Option<UInt32Value> {
    // Checked when it was read.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    number((factor * 1_000.0).round() as u32)
}
