//! What a Retry must fulfil.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;

use crate::{
    proto::{
        mesh::{
            HttpMethod, HttpRetryOn, Retry,
            retry::{
                Conf,
                conf::{BackOff, Grpc, Http, grpc::RetryOn},
            },
        },
        well_known::{Duration, UInt32Value},
    },
    validation::{
        Violations, durations,
        tags::{self, Wanted},
    },
};

const EMPTY: &str = "field cannot be empty";
const NOT_ZERO: &str = "has to be greater than 0";
const NOT_ZERO_IF_GIVEN: &str = "has to be greater than 0 when defined";

/// All that is wrong, in the order of the fields.
pub(super) fn validate(spec: &Bytes) -> Violations {
    let mut violations = Violations::default();
    let Ok(retry) = Retry::decode(spec.clone()) else { return violations };
    let (sources, destinations) = (&retry.sources, &retry.destinations);
    tags::ends(&mut violations, (sources, Wanted::Service), (destinations, Wanted::ServiceAlone));
    match &retry.conf {
        None => violations.add("conf", "has to be defined"),
        Some(conf) => validate_conf(&mut violations, conf),
    }
    violations
}

fn validate_conf(violations: &mut Violations, conf: &Conf) {
    if conf.http.is_none() && conf.grpc.is_none() && conf.tcp.is_none() {
        violations.add("conf", "missing protocol [grpc|http|tcp] configuration");
    }
    if let Some(http) = &conf.http {
        validate_http(violations, http);
    }
    if let Some(grpc) = &conf.grpc {
        validate_grpc(violations, grpc);
    }
    if conf.tcp.as_ref().is_some_and(|tcp| tcp.max_connect_attempts == 0) {
        violations.add("conf.tcp.maxConnectAttempts", NOT_ZERO);
    }
}

fn validate_http(violations: &mut Violations, http: &Http) {
    if *http == Http::default() {
        violations.add("conf.http", EMPTY);
    }
    let tries = Tries(http.num_retries.as_ref(), http.per_try_timeout, http.back_off.as_ref());
    validate_tries(violations, "conf.http", tries);
    for (position, status) in http.retriable_status_codes.iter().enumerate() {
        if !(100..600).contains(status) {
            violations.add(
                format!("conf.http.retriableStatusCodes[{position}]"),
                "must be in range [100, 600)",
            );
        }
    }
    for (position, method) in http.retriable_methods().enumerate() {
        if method == HttpMethod::None {
            violations.add(format!("conf.http.retriableMethods[{position}]"), EMPTY);
        }
    }
    for (position, condition) in http.retry_on().enumerate() {
        let needs_codes = condition == HttpRetryOn::RetriableStatusCodes;
        if needs_codes && http.retriable_status_codes.is_empty() {
            violations.add(
                format!("conf.http.retryOn[{position}]"),
                "retriableStatusCodes cannot be empty when this option is specified",
            );
        }
    }
}

fn validate_grpc(violations: &mut Violations, grpc: &Grpc) {
    if *grpc == Grpc::default() {
        violations.add("conf.grpc", EMPTY);
    }
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (position, condition) in grpc.retry_on().enumerate() {
        places.entry(RetryOn::as_str_name(&condition)).or_default().push(position.to_string());
    }
    for (condition, places) in places.iter().filter(|(_, places)| places.len() > 1) {
        let places = places.join(", ");
        violations.add(
            "conf.grpc.retryOn",
            format!("repeated value {condition:?} at indexes [{places}]"),
        );
    }
    let tries = Tries(grpc.num_retries.as_ref(), grpc.per_try_timeout, grpc.back_off.as_ref());
    validate_tries(violations, "conf.grpc", tries);
}

/// How often, how long each time, and what is between.
struct Tries<'a>(Option<&'a UInt32Value>, Option<Duration>, Option<&'a BackOff>);

fn validate_tries(violations: &mut Violations, field: &str, tries: Tries<'_>) {
    let Tries(number, timeout, back_off) = tries;
    if number.is_some_and(|number| number.value == 0) {
        violations.add(format!("{field}.numRetries"), NOT_ZERO_IF_GIVEN);
    }
    let timeout_field = format!("{field}.perTryTimeout");
    durations::longer_than_nothing(violations, timeout_field, timeout, NOT_ZERO_IF_GIVEN);
    if let Some(back_off) = back_off {
        validate_back_off(violations, &format!("{field}.backOff"), back_off);
    }
}

fn validate_back_off(violations: &mut Violations, field: &str, back_off: &BackOff) {
    let BackOff { base_interval, max_interval } = back_off;
    let base_field = format!("{field}.baseInterval");
    let Some(base) = base_interval else {
        violations.add(base_field, "has to be defined");
        return;
    };
    durations::longer_than_nothing(violations, base_field, Some(*base), NOT_ZERO);
    let max_field = format!("{field}.maxInterval");
    let order = |interval: &Duration| (interval.seconds, interval.nanos);
    match max_interval {
        // Envoy takes no longest interval that is shorter than the first.
        Some(max) if *max != Duration::default() && order(max) < order(base) => {
            violations.add(max_field, "has to be at least baseInterval");
        }
        max => durations::longer_than_nothing(violations, max_field, *max, NOT_ZERO_IF_GIVEN),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use crate::{kinds::RETRY, validation::tests::*};

    fn valid() -> Value {
        let tries = json!({
            "numRetries": 3,
            "perTryTimeout": "0.200s",
            "backOff": { "baseInterval": "0.020s", "maxInterval": "1s" },
        });
        let mut spec = json!({
            "sources": [{ "match": { "kuma.io/service": "edge" } }],
            "destinations": [{ "match": { "kuma.io/service": "*" } }],
            "conf": { "http": tries, "tcp": { "maxConnectAttempts": 5 }, "grpc": {
                "retryOn": ["cancelled", "deadline_exceeded", "internal", "resource_exhausted"],
            } },
        });
        for (name, value) in tries.as_object().unwrap() {
            spec["conf"]["grpc"][name] = value.clone();
        }
        spec["conf"]["http"]["retriableStatusCodes"] = json!([500, 502]);
        spec["conf"]["http"]["retriableMethods"] = json!(["GET", "PUT"]);
        spec["conf"]["http"]["retryOn"] =
            json!(["all_5xx", "retriable_4xx", "retriable_status_codes", "reset"]);
        spec
    }

    #[test]
    fn violations_say_what_kuma_says() {
        let zeros = json!({
            "numRetries": 0,
            "perTryTimeout": "0s",
            "backOff": { "baseInterval": "1s", "maxInterval": "0s" },
        });
        check(RETRY, &valid(), &[
            (&[("/conf", Value::Null)], &["conf: has to be defined"]),
            (&[("/conf", json!({}))], &["conf: missing protocol [grpc|http|tcp] configuration"]),
            (&[("/conf", json!({ "http": {}, "tcp": {}, "grpc": {} }))], &[
                "conf.http: field cannot be empty",
                "conf.grpc: field cannot be empty",
                "conf.tcp.maxConnectAttempts: has to be greater than 0",
            ]),
            (&[("/conf/http", zeros.clone()), ("/conf/grpc", zeros)], &[
                "conf.http.numRetries: has to be greater than 0 when defined",
                "conf.http.perTryTimeout: has to be greater than 0 when defined",
                "conf.http.backOff.maxInterval: has to be greater than 0 when defined",
                "conf.grpc.numRetries: has to be greater than 0 when defined",
                "conf.grpc.perTryTimeout: has to be greater than 0 when defined",
                "conf.grpc.backOff.maxInterval: has to be greater than 0 when defined",
            ]),
            (&[("/conf/http/backOff", json!({}))], &[
                "conf.http.backOff.baseInterval: has to be defined",
            ]),
            (&[("/conf/http/backOff", json!({ "baseInterval": "0s" }))], &[
                "conf.http.backOff.baseInterval: has to be greater than 0",
            ]),
            (&[("/conf/http/retriableMethods", json!(["GET", "NONE"]))], &[
                "conf.http.retriableMethods[1]: field cannot be empty",
            ]),
            (&[("/conf/http/retriableStatusCodes", Value::Null)], &[
                "conf.http.retryOn[2]: retriableStatusCodes cannot be empty when this option is \
                 specified",
            ]),
            (&[("/conf/grpc/retryOn", json!(["unavailable", "cancelled", "unavailable", "cancelled"]))], &[
                "conf.grpc.retryOn: repeated value \"cancelled\" at indexes [1, 3]",
                "conf.grpc.retryOn: repeated value \"unavailable\" at indexes [0, 2]",
            ]),
        ]);
    }

    #[test]
    fn what_envoy_would_not_take() {
        let short = json!({ "baseInterval": "1s", "maxInterval": "999ms" });
        check(RETRY, &valid(), &[
            (&[("/conf/http/backOff", short)], &[
                "conf.http.backOff.maxInterval: has to be at least baseInterval",
            ]),
            (&[("/conf/http/perTryTimeout", json!("-1s"))], &[
                "conf.http.perTryTimeout: must have a valid value",
            ]),
            (&[("/conf/http/retriableStatusCodes", json!([500, 600, 99]))], &[
                "conf.http.retriableStatusCodes[1]: must be in range [100, 600)",
                "conf.http.retriableStatusCodes[2]: must be in range [100, 600)",
            ]),
        ]);
    }
}
