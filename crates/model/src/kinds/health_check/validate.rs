//! What a HealthCheck must fulfil.

use bytes::Bytes;
use prost::Message;

use crate::{
    proto::{
        mesh::{
            HealthCheck,
            health_check::{
                Conf,
                conf::{Http, Tcp, http::HeaderValueOption},
            },
        },
        well_known::Duration,
    },
    validation::{
        Violations, durations, http,
        tags::{self, Wanted},
    },
};

/// All that is wrong, in the order of the fields.
pub(super) fn validate(spec: &Bytes) -> Violations {
    let mut violations = Violations::default();
    let Ok(check) = HealthCheck::decode(spec.clone()) else { return violations };
    let (sources, destinations) = (&check.sources, &check.destinations);
    tags::ends(&mut violations, (sources, Wanted::Service), (destinations, Wanted::ServiceAlone));
    match &check.conf {
        None => violations.add("conf", "has to be defined"),
        Some(conf) => validate_conf(&mut violations, conf),
    }
    violations
}

fn validate_conf(violations: &mut Violations, conf: &Conf) {
    durations::required(violations, "conf.interval".to_owned(), conf.interval);
    durations::required(violations, "conf.timeout".to_owned(), conf.timeout);
    for (name, threshold) in [
        ("unhealthyThreshold", conf.unhealthy_threshold),
        ("healthyThreshold", conf.healthy_threshold),
    ] {
        if threshold == 0 {
            violations.add(format!("conf.{name}"), "must have a positive value");
        }
    }
    span(violations, "conf.initialJitter", conf.initial_jitter);
    span(violations, "conf.intervalJitter", conf.interval_jitter);
    span(violations, "conf.noTrafficInterval", conf.no_traffic_interval);
    let panic = conf.healthy_panic_threshold.as_ref();
    if panic.is_some_and(|panic| !(0.0..=100.0).contains(&panic.value)) {
        violations.add("conf.healthyPanicThreshold", "must be in range [0.0 - 100.0]");
    }
    if let Some(http) = &conf.http {
        validate_http(violations, http);
    }
    if let Some(tcp) = &conf.tcp {
        validate_tcp(violations, tcp);
    }
    if conf.tcp.is_some() && conf.http.is_some() {
        violations.add("conf", "http and tcp cannot be defined at the same time");
    }
}

fn validate_http(violations: &mut Violations, http: &Http) {
    if http.path.is_empty() {
        violations.add("conf.http.path", "has to be defined and cannot be empty");
    }
    http::header_value(violations, "conf.http.path".to_owned(), &http.path);
    for (position, status) in http.expected_statuses.iter().enumerate() {
        if !(100..600).contains(&status.value) {
            violations.add(
                format!("conf.http.expectedStatuses[{position}]"),
                "must be in range [100, 600)",
            );
        }
    }
    for (position, header) in http.request_headers_to_add.iter().enumerate() {
        let field = format!("conf.http.requestHeadersToAdd[{position}].header");
        validate_header(violations, field, header);
    }
}

fn validate_header(violations: &mut Violations, field: String, option: &HeaderValueOption) {
    let Some(header) = &option.header else {
        violations.add(field, "has to be defined");
        return;
    };
    if header.key.is_empty() {
        violations.add(format!("{field}.key"), "cannot be empty");
    }
    http::header_name(violations, format!("{field}.key"), &header.key);
    http::header_value(violations, format!("{field}.value"), &header.value);
}

/// Kuma takes empty payloads, Envoy does not.
fn validate_tcp(violations: &mut Violations, tcp: &Tcp) {
    if tcp.send.as_ref().is_some_and(|send| send.value.is_empty()) {
        violations.add("conf.tcp.send", "cannot be empty");
    }
    for (position, receive) in tcp.receive.iter().enumerate() {
        if receive.value.is_empty() {
            violations.add(format!("conf.tcp.receive[{position}]"), "cannot be empty");
        }
    }
}

fn span(violations: &mut Violations, field: &str, given: Option<Duration>) {
    durations::longer_than_nothing(
        violations,
        field.to_owned(),
        given,
        "must have a positive value",
    );
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{kinds::HEALTH_CHECK, validation::tests::*};

    fn valid() -> Value {
        json!({
            "sources": [{ "match": { "kuma.io/service": "edge" } }],
            "destinations": [{ "match": { "kuma.io/service": "*" } }],
            "conf": {
                "interval": "10s",
                "timeout": "2s",
                "unhealthyThreshold": 3,
                "healthyThreshold": 1,
                "http": {
                    "path": "/health",
                    "requestHeadersToAdd": [
                        { "header": { "key": "x-check", "value": "1" }, "append": false },
                    ],
                    "expectedStatuses": [200, 201],
                },
                "initialJitter": "5s",
                "intervalJitter": "6s",
                "intervalJitterPercent": 10,
                "healthyPanicThreshold": 62.7,
                "failTrafficOnPanic": true,
                "eventLogPath": "/tmp/health.log",
                "alwaysLogHealthCheckFailures": true,
                "noTrafficInterval": "10s",
                "reuseConnection": false,
            },
        })
    }

    fn over_tcp() -> Value {
        let tcp = json!({ "send": "Zm9v", "receive": ["YmFy", "YmF6"] });
        with(&valid(), &[("/conf/http", Value::Null), ("/conf/tcp", tcp)])
    }

    #[test]
    fn violations_say_what_kuma_says() {
        check(HEALTH_CHECK, &valid(), &[
            (&[("/conf", Value::Null)], &["conf: has to be defined"]),
            (&[("/conf", json!({}))], &[
                "conf.interval: must have a positive value",
                "conf.timeout: must have a positive value",
                "conf.unhealthyThreshold: must have a positive value",
                "conf.healthyThreshold: must have a positive value",
            ]),
            (
                &[
                    ("/conf/interval", json!("-1s")),
                    ("/conf/initialJitter", json!("0s")),
                    ("/conf/intervalJitter", json!("0s")),
                    ("/conf/noTrafficInterval", json!("0s")),
                    ("/conf/healthyPanicThreshold", json!(101)),
                ],
                &[
                    "conf.interval: must have a valid value",
                    "conf.initialJitter: must have a positive value",
                    "conf.intervalJitter: must have a positive value",
                    "conf.noTrafficInterval: must have a positive value",
                    "conf.healthyPanicThreshold: must be in range [0.0 - 100.0]",
                ],
            ),
            (&[("/conf/http", json!({}))], &["conf.http.path: has to be defined and cannot be empty"]),
            (&[("/conf/http/expectedStatuses", json!([99, 200, 600]))], &[
                "conf.http.expectedStatuses[0]: must be in range [100, 600)",
                "conf.http.expectedStatuses[2]: must be in range [100, 600)",
            ]),
            (&[("/conf/http/requestHeadersToAdd", json!([{}, { "header": { "value": "1" } }]))], &[
                "conf.http.requestHeadersToAdd[0].header: has to be defined",
                "conf.http.requestHeadersToAdd[1].header.key: cannot be empty",
            ]),
            (&[("/conf/tcp", json!({}))], &["conf: http and tcp cannot be defined at the same time"]),
        ]);
    }

    #[test]
    fn what_envoy_would_not_take() {
        check(HEALTH_CHECK, &valid(), &[
            (&[("/conf/http/requestHeadersToAdd/0/header/key", json!("Host"))], &[
                "conf.http.requestHeadersToAdd[0].header.key: host header and HTTP/2 pseudo-headers \
                 are not allowed to be modified",
            ]),
            (&[("/conf/http/requestHeadersToAdd/0/header/key", json!("x check"))], &[
                "conf.http.requestHeadersToAdd[0].header.key: is not the name of a header",
            ]),
            (&[("/conf/http/path", json!("/a\nb"))], &["conf.http.path: cannot have line breaks"]),
        ]);
        check(HEALTH_CHECK, &over_tcp(), &[(&[("/conf/tcp", json!({ "send": "", "receive": ["YQ==", ""] }))], &[
            "conf.tcp.send: cannot be empty",
            "conf.tcp.receive[1]: cannot be empty",
        ])]);
    }
}
