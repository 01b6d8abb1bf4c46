//! What a RateLimit must fulfil.

use bytes::Bytes;
use prost::Message;

use crate::{
    proto::{
        mesh::{
            RateLimit,
            rate_limit::conf::{Http, http::OnRateLimit},
        },
        well_known::Duration,
    },
    validation::{
        Violations, durations, fields, http,
        tags::{self, Wanted},
    },
};

/// The shortest interval that Envoy takes.
const SHORTEST: Duration = Duration { seconds: 0, nanos: 50_000_000 };

/// All that is wrong, in the order of the fields.
pub(super) fn validate(spec: &Bytes) -> Violations {
    let mut violations = Violations::default();
    let Ok(limit) = RateLimit::decode(spec.clone()) else { return violations };
    let (sources, destinations) = (&limit.sources, &limit.destinations);
    tags::ends(&mut violations, (sources, Wanted::Tags), (destinations, Wanted::Tags));
    match &limit.conf {
        None => violations.add("conf", "must have conf"),
        Some(conf) => {
            if let Some(http) = &conf.http {
                validate_http(&mut violations, http);
            }
        }
    }
    violations
}

fn validate_http(violations: &mut Violations, http: &Http) {
    const INTERVAL: &str = "conf.http.interval";
    if http.requests == 0 {
        violations.add("conf.http.requests", "requests must be set");
    }
    match http.interval {
        None => violations.add(INTERVAL, "interval must be set"),
        Some(Duration { seconds: 0, nanos }) if (0..SHORTEST.nanos).contains(&nanos) => {
            violations.add(INTERVAL, "must be at least 50ms");
        }
        interval => durations::or_unlimited(violations, INTERVAL.to_owned(), interval),
    }
    if let Some(answer) = &http.on_rate_limit {
        validate_answer(violations, answer);
    }
}

fn validate_answer(violations: &mut Violations, answer: &OnRateLimit) {
    const FIELD: &str = "conf.http.onRateLimit";
    if let Some(status) = &answer.status
        && !(status.value >= 400 && http::is_envoy_status(status.value))
    {
        violations.add(
            format!("{FIELD}.status"),
            "must be a status from 400 to 511 that Envoy knows, such as 429",
        );
    }
    for (position, header) in answer.headers.iter().enumerate() {
        let field = fields::key(&format!("{FIELD}.header"), &position.to_string());
        if header.key.is_empty() {
            violations.add(field.clone(), "key must be set");
        }
        if header.value.is_empty() {
            violations.add(field.clone(), "value must be set");
        }
        http::header_name(violations, field.clone(), &header.key);
        http::header_value(violations, field, &header.value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{kinds::RATE_LIMIT, validation::tests::*};

    fn valid() -> Value {
        json!({
            "sources": [{ "match": { "kuma.io/service": "edge" } }],
            "destinations": [{ "match": { "kuma.io/service": "api", "version": "v1" } }],
            "conf": { "http": {
                "requests": 5,
                "interval": "10s",
                "onRateLimit": {
                    "status": 423,
                    "headers": [
                        { "key": "x-limited", "value": "yes", "append": true },
                        { "key": "x-a", "value": "100%%" },
                    ],
                },
            } },
        })
    }

    #[test]
    fn violations_say_what_kuma_says() {
        check(RATE_LIMIT, &valid(), &[
            (&[("/conf", Value::Null)], &["conf: must have conf"]),
            (&[("/sources/0/match", json!({}))], &["sources[0].match: must have at least one tag"]),
            (&[("/conf/http", json!({}))], &[
                "conf.http.requests: requests must be set",
                "conf.http.interval: interval must be set",
            ]),
            (&[("/conf/http/onRateLimit/headers", json!([{ "key": "a" }, { "value": "b" }, {}]))], &[
                "conf.http.onRateLimit.header[\"0\"]: value must be set",
                "conf.http.onRateLimit.header[\"1\"]: key must be set",
                "conf.http.onRateLimit.header[\"2\"]: key must be set",
                "conf.http.onRateLimit.header[\"2\"]: value must be set",
            ]),
        ]);
        assert_valid(RATE_LIMIT, &with(&valid(), &[("/conf", json!({}))]));
        assert_eq!(violations(RATE_LIMIT, &json!({})), [
            "sources: must have at least one element",
            "destinations: must have at least one element",
            "conf: must have conf",
        ]);
    }

    #[test]
    fn what_envoy_would_not_take() {
        const STATUS: &str = "conf.http.onRateLimit.status: must be a status from 400 to 511 that \
                              Envoy knows, such as 429";
        check(RATE_LIMIT, &valid(), &[
            (&[("/conf/http/interval", json!("0s"))], &["conf.http.interval: must be at least 50ms"]),
            (&[("/conf/http/interval", json!("49ms"))], &["conf.http.interval: must be at least 50ms"]),
            (&[("/conf/http/interval", json!("-1s"))], &["conf.http.interval: must have a valid value"]),
            (&[("/conf/http/onRateLimit/status", json!(200))], &[STATUS]),
            (&[("/conf/http/onRateLimit/status", json!(499))], &[STATUS]),
            (&[("/conf/http/onRateLimit/status", json!(600))], &[STATUS]),
            (&[("/conf/http/onRateLimit/headers/0/key", json!("x limited"))], &[
                "conf.http.onRateLimit.header[\"0\"]: is not the name of a header",
            ]),
            (&[("/conf/http/onRateLimit/headers/1/key", json!(":status"))], &[
                "conf.http.onRateLimit.header[\"1\"]: host header and HTTP/2 pseudo-headers are not \
                 allowed to be modified",
            ]),
            (&[("/conf/http/onRateLimit/headers/1/value", json!("a\r\nb"))], &[
                "conf.http.onRateLimit.header[\"1\"]: cannot have line breaks",
            ]),
        ]);
        assert_valid(RATE_LIMIT, &with(&valid(), &[("/conf/http/interval", json!("0.050s"))]));
    }
}
