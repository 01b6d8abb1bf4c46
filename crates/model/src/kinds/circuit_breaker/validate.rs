//! What a CircuitBreaker must fulfil.

use bytes::Bytes;
use prost::Message;

use crate::{
    proto::{
        mesh::{
            CircuitBreaker,
            circuit_breaker::{
                Conf,
                conf::{Detectors, Thresholds},
            },
        },
        well_known::{Duration, UInt32Value},
    },
    validation::{
        Violations, durations,
        tags::{self, Wanted},
    },
};

/// The greatest factor that Envoy can be told.
const MAX_FACTOR: f64 = 4_000_000.0;

/// All that is wrong, in the order of the fields.
pub(super) fn validate(spec: &Bytes) -> Violations {
    let mut violations = Violations::default();
    let Ok(breaker) = CircuitBreaker::decode(spec.clone()) else { return violations };
    let (sources, destinations) = (&breaker.sources, &breaker.destinations);
    tags::ends(&mut violations, (sources, Wanted::Service), (destinations, Wanted::ServiceAlone));
    validate_conf(&mut violations, &breaker.conf.unwrap_or_default());
    violations
}

fn validate_conf(violations: &mut Violations, conf: &Conf) {
    let has_detectors = conf.detectors.as_ref().is_some_and(|given| *given != Detectors::default());
    let has_thresholds =
        conf.thresholds.as_ref().is_some_and(|given| *given != Thresholds::default());
    if !has_detectors && !has_thresholds {
        violations.add("conf", "must have at least one of the detector or threshold configured");
        return;
    }
    if conf.detectors.is_some() && !has_detectors {
        violations.add("conf.detectors", "can't be empty");
    }
    percentage(violations, "conf.maxEjectionPercent", conf.max_ejection_percent.as_ref());
    if let Some(detectors) = &conf.detectors {
        validate_detectors(violations, detectors);
    }
    if conf.thresholds.is_some() && !has_thresholds {
        violations.add("conf.thresholds", "can't be empty");
    }
    // Kuma takes nothing for these, Envoy does not.
    span(violations, "conf.interval", conf.interval);
    span(violations, "conf.baseEjectionTime", conf.base_ejection_time);
}

fn validate_detectors(violations: &mut Violations, detectors: &Detectors) {
    if let Some(failure) = &detectors.failure {
        percentage(violations, "conf.detectors.failure.threshold", failure.threshold.as_ref());
    }
    let deviation = detectors.standard_deviation.as_ref();
    let factor = deviation.and_then(|deviation| deviation.factor.as_ref());
    if factor.is_some_and(|factor| !(0.0..=MAX_FACTOR).contains(&factor.value)) {
        violations.add("conf.detectors.standardDeviation.factor", "must not be negative");
    }
}

fn percentage(violations: &mut Violations, field: &str, given: Option<&UInt32Value>) {
    if given.is_some_and(|given| given.value > 100) {
        violations.add(field, "has to be in [0.0 - 100.0] range");
    }
}

fn span(violations: &mut Violations, field: &str, given: Option<Duration>) {
    const REASON: &str = "has to be greater than 0 when defined";
    durations::longer_than_nothing(violations, field.to_owned(), given, REASON);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{kinds::CIRCUIT_BREAKER, validation::tests::*};

    fn valid() -> Value {
        json!({
            "sources": [{ "match": { "kuma.io/service": "edge" } }],
            "destinations": [{ "match": { "kuma.io/service": "*" } }],
            "conf": {
                "interval": "1s",
                "baseEjectionTime": "30s",
                "maxEjectionPercent": 20,
                "splitExternalAndLocalErrors": true,
                "detectors": {
                    "totalErrors": { "consecutive": 20 },
                    "gatewayErrors": {},
                    "localErrors": { "consecutive": 0 },
                    "standardDeviation": { "requestVolume": 10, "minimumHosts": 5, "factor": 1.9 },
                    "failure": { "requestVolume": 10, "minimumHosts": 5, "threshold": 85 },
                },
                "thresholds": {
                    "maxConnections": 2, "maxPendingRequests": 3, "maxRetries": 4, "maxRequests": 5,
                },
            },
        })
    }

    #[test]
    fn violations_say_what_kuma_says() {
        const NONE: &str = "conf: must have at least one of the detector or threshold configured";
        check(CIRCUIT_BREAKER, &valid(), &[
            (&[("/conf", Value::Null)], &[NONE]),
            (&[("/conf", json!({ "detectors": {}, "thresholds": {} }))], &[NONE]),
            (&[("/conf/detectors", json!({}))], &["conf.detectors: can't be empty"]),
            (&[("/conf/thresholds", json!({}))], &["conf.thresholds: can't be empty"]),
            (&[("/conf/maxEjectionPercent", json!(101)), ("/conf/detectors/failure/threshold", json!(200))], &[
                "conf.maxEjectionPercent: has to be in [0.0 - 100.0] range",
                "conf.detectors.failure.threshold: has to be in [0.0 - 100.0] range",
            ]),
            (&[("/sources", json!([])), ("/destinations", json!([]))], &[
                "sources: must have at least one element",
                "destinations: must have at least one element",
            ]),
        ]);
    }

    #[test]
    fn what_envoy_would_not_take() {
        check(CIRCUIT_BREAKER, &valid(), &[
            (&[("/conf/interval", json!("0s")), ("/conf/baseEjectionTime", json!("0s"))], &[
                "conf.interval: has to be greater than 0 when defined",
                "conf.baseEjectionTime: has to be greater than 0 when defined",
            ]),
            (&[("/conf/detectors/standardDeviation/factor", json!(-0.5))], &[
                "conf.detectors.standardDeviation.factor: must not be negative",
            ]),
        ]);
    }
}
