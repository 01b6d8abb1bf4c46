//! What a FaultInjection must fulfil.

use bytes::Bytes;
use prost::Message;

use crate::{
    proto::{
        mesh::{
            FaultInjection,
            fault_injection::{
                Conf,
                conf::{Abort, Delay, ResponseBandwidth},
            },
        },
        well_known::{DoubleValue, UInt32Value},
    },
    validation::{
        Violations, durations, http,
        tags::{self, Wanted},
    },
};

/// The least status that Envoy aborts with; Kuma knows lower ones too.
const FIRST_STATUS: u32 = 200;

/// All that is wrong, in the order of the fields.
pub(super) fn validate(spec: &Bytes) -> Violations {
    let mut violations = Violations::default();
    let Ok(fault) = FaultInjection::decode(spec.clone()) else { return violations };
    let (sources, destinations) = (&fault.sources, &fault.destinations);
    tags::ends(&mut violations, (sources, Wanted::Tags), (destinations, Wanted::HttpProtocol));
    validate_conf(&mut violations, &fault.conf.unwrap_or_default());
    violations
}

fn validate_conf(violations: &mut Violations, conf: &Conf) {
    // A fault without any field counts as none.
    let delay = conf.delay.as_ref().filter(|delay| **delay != Delay::default());
    let abort = conf.abort.as_ref().filter(|abort| **abort != Abort::default());
    let bandwidth = conf.response_bandwidth.as_ref();
    let bandwidth = bandwidth.filter(|bandwidth| **bandwidth != ResponseBandwidth::default());
    if delay.is_none() && abort.is_none() && bandwidth.is_none() {
        violations.add("conf", "must have at least one of the faults configured");
    }
    if let Some(delay) = delay {
        validate_delay(violations, delay);
    }
    if let Some(abort) = abort {
        validate_abort(violations, abort);
    }
    if let Some(bandwidth) = bandwidth {
        validate_bandwidth(violations, bandwidth);
    }
}

fn validate_delay(violations: &mut Violations, delay: &Delay) {
    percentage(violations, "conf.delay", delay.percentage.as_ref());
    let field = "conf.delay.value".to_owned();
    if delay.value.is_none() {
        violations.add(field, "cannot be empty");
    } else {
        // Kuma takes nothing for a delay, Envoy does not.
        let reason = "has to be greater than 0";
        durations::longer_than_nothing(violations, field, delay.value, reason);
    }
}

fn validate_abort(violations: &mut Violations, abort: &Abort) {
    const FIELD: &str = "conf.abort.httpStatus";
    percentage(violations, "conf.abort", abort.percentage.as_ref());
    match &abort.http_status {
        None => violations.add(FIELD, "cannot be empty"),
        Some(UInt32Value { value }) if *value < FIRST_STATUS || !http::is_status(*value) => {
            violations.add(FIELD, "http status code is incorrect");
        }
        Some(_) => {}
    }
}

fn validate_bandwidth(violations: &mut Violations, bandwidth: &ResponseBandwidth) {
    const FIELD: &str = "conf.responseBandwidth.limit";
    percentage(violations, "conf.responseBandwidth", bandwidth.percentage.as_ref());
    match &bandwidth.limit {
        None => violations.add(FIELD, "cannot be empty"),
        Some(limit) if kilobits(&limit.value).is_none_or(|kilobits| kilobits == 0) => {
            violations.add(FIELD, "has to be in kbps/mbps/gbps units");
        }
        Some(_) => {}
    }
}

/// A limit as in `50 mbps`, in kbps.
fn kilobits(limit: &str) -> Option<u64> {
    let (number, scale) = [("kbps", 1), ("mbps", 1_000), ("gbps", 1_000_000)]
        .into_iter()
        .find_map(|(unit, scale)| Some((limit.strip_suffix(unit)?, scale)))?;
    let number = number.strip_suffix(' ').unwrap_or(number);
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse::<u64>().ok()?.checked_mul(scale)
}

fn percentage(violations: &mut Violations, field: &str, given: Option<&DoubleValue>) {
    let field = format!("{field}.percentage");
    match given {
        None => violations.add(field, "cannot be empty"),
        Some(given) if !(0.0..=100.0).contains(&given.value) => {
            violations.add(field, "has to be in [0.0 - 100.0] range");
        }
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{kinds::FAULT_INJECTION, validation::tests::*};

    fn valid() -> Value {
        json!({
            "sources": [{ "match": { "kuma.io/service": "edge" } }],
            "destinations": [{ "match": { "kuma.io/service": "api", "kuma.io/protocol": "HTTP" } }],
            "conf": {
                "delay": { "percentage": 50.5, "value": "0.010s" },
                "abort": { "percentage": 40, "httpStatus": 500 },
                "responseBandwidth": { "percentage": 100, "limit": "50 mbps" },
            },
        })
    }

    #[test]
    fn violations_say_what_kuma_says() {
        let fault = |name: &str, more: Value| {
            let mut conf = json!({});
            conf[name] = more;
            conf
        };
        const NONE: &str = "conf: must have at least one of the faults configured";
        check(FAULT_INJECTION, &valid(), &[
            (&[("/conf", Value::Null)], &[NONE]),
            (&[("/conf", json!({ "delay": {}, "abort": {}, "responseBandwidth": {} }))], &[NONE]),
            (&[("/conf", fault("delay", json!({ "percentage": 110 })))], &[
                "conf.delay.percentage: has to be in [0.0 - 100.0] range",
                "conf.delay.value: cannot be empty",
            ]),
            (&[("/conf", fault("delay", json!({ "value": "1s" })))], &[
                "conf.delay.percentage: cannot be empty",
            ]),
            (&[("/conf", fault("abort", json!({ "percentage": -1 })))], &[
                "conf.abort.percentage: has to be in [0.0 - 100.0] range",
                "conf.abort.httpStatus: cannot be empty",
            ]),
            (&[("/conf/abort/httpStatus", json!(999))], &[
                "conf.abort.httpStatus: http status code is incorrect",
            ]),
            (&[("/conf", fault("responseBandwidth", json!({ "percentage": 1 })))], &[
                "conf.responseBandwidth.limit: cannot be empty",
            ]),
            (&[("/conf/responseBandwidth/limit", json!("1000"))], &[
                "conf.responseBandwidth.limit: has to be in kbps/mbps/gbps units",
            ]),
            (&[("/destinations/0/match", json!({ "kuma.io/service": "api" }))], &[
                "destinations[0].match: protocol must be specified",
            ]),
            (&[("/destinations/0/match/kuma.io~1protocol", json!("tcp"))], &[
                "destinations[0].match[\"kuma.io/protocol\"]: must be one of the [http, http2, grpc]",
            ]),
            (&[("/destinations/0/match", json!({}))], &[
                "destinations[0].match: must have at least one tag",
                "destinations[0].match: protocol must be specified",
            ]),
        ]);
    }

    #[test]
    fn what_envoy_would_not_take() {
        const LIMIT: &str = "conf.responseBandwidth.limit: has to be in kbps/mbps/gbps units";
        check(FAULT_INJECTION, &valid(), &[
            (&[("/conf/delay/value", json!("0s"))], &["conf.delay.value: has to be greater than 0"]),
            (&[("/conf/abort/httpStatus", json!(100))], &[
                "conf.abort.httpStatus: http status code is incorrect",
            ]),
            (&[("/conf/responseBandwidth/limit", json!("kbps"))], &[LIMIT]),
            (&[("/conf/responseBandwidth/limit", json!("0kbps"))], &[LIMIT]),
            (&[("/conf/responseBandwidth/limit", json!("5 kbps or so"))], &[LIMIT]),
            (&[("/conf/responseBandwidth/limit", json!("99999999999999999gbps"))], &[LIMIT]),
        ]);
        for limit in ["1kbps", "1 gbps"] {
            let change = [("/conf/responseBandwidth/limit", json!(limit))];
            assert_valid(FAULT_INJECTION, &with(&valid(), &change));
        }
    }
}
