//! What a Timeout must fulfil.

use bytes::Bytes;
use prost::Message;

use crate::{
    proto::{
        mesh::{
            Timeout,
            timeout::{
                Conf,
                conf::{Grpc, Http, Tcp},
            },
        },
        well_known::Duration,
    },
    validation::{
        Violations, durations,
        tags::{self, Wanted},
    },
};

const EMPTY: &str = "at least one timeout in section has to be defined";

/// All that is wrong, in the order of the fields.
pub(super) fn validate(spec: &Bytes) -> Violations {
    let mut violations = Violations::default();
    let Ok(timeout) = Timeout::decode(spec.clone()) else { return violations };
    tags::ends(
        &mut violations,
        (&timeout.sources, Wanted::Service),
        (&timeout.destinations, Wanted::ServiceAlone),
    );
    match &timeout.conf {
        None => violations.add("conf", "has to be defined"),
        Some(conf) => validate_conf(&mut violations, conf),
    }
    violations
}

fn validate_conf(violations: &mut Violations, conf: &Conf) {
    // Kuma takes nothing for an answer here, Envoy does not.
    limit(violations, "conf.connectTimeout", conf.connect_timeout);
    if let Some(tcp) = &conf.tcp {
        validate_tcp(violations, tcp);
    }
    if let Some(http) = &conf.http {
        validate_http(violations, http);
    }
    if let Some(grpc) = &conf.grpc {
        validate_grpc(violations, grpc);
    }
}

fn validate_tcp(violations: &mut Violations, tcp: &Tcp) {
    if tcp.idle_timeout.is_none() {
        violations.add("conf.tcp", EMPTY);
    }
    let field = "conf.tcp.idleTimeout".to_owned();
    durations::longer_than_nothing(violations, field, tcp.idle_timeout, "has to be greater than 0");
}

fn validate_http(violations: &mut Violations, http: &Http) {
    let Http { request_timeout, idle_timeout, stream_idle_timeout, max_stream_duration } = http;
    let given = [request_timeout, idle_timeout, stream_idle_timeout, max_stream_duration];
    if given.iter().all(|given| given.is_none()) {
        violations.add("conf.http", EMPTY);
    }
    limit(violations, "conf.http.requestTimeout", *request_timeout);
    limit(violations, "conf.http.idleTimeout", *idle_timeout);
    for (name, given) in
        [("streamIdleTimeout", stream_idle_timeout), ("maxStreamDuration", max_stream_duration)]
    {
        durations::or_unlimited(violations, format!("conf.http.{name}"), *given);
    }
}

fn validate_grpc(violations: &mut Violations, grpc: &Grpc) {
    if grpc.stream_idle_timeout.is_none() && grpc.max_stream_duration.is_none() {
        violations.add("conf.grpc", EMPTY);
    }
    limit(violations, "conf.grpc.streamIdleTimeout", grpc.stream_idle_timeout);
    limit(violations, "conf.grpc.maxStreamDuration", grpc.max_stream_duration);
}

fn limit(violations: &mut Violations, field: &str, given: Option<Duration>) {
    const REASON: &str = "has to be greater than 0 when defined";
    durations::longer_than_nothing(violations, field.to_owned(), given, REASON);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        kinds::TIMEOUT,
        validation::tests::{assert_valid, check, violations, with},
    };

    fn valid() -> Value {
        json!({
            "sources": [{ "match": { "kuma.io/service": "edge", "version": "*" } }],
            "destinations": [{ "match": { "kuma.io/service": "*" } }],
            "conf": {
                "connectTimeout": "1s",
                "tcp": { "idleTimeout": "11s" },
                "http": {
                    "requestTimeout": "0.200s", "idleTimeout": "12s",
                    "streamIdleTimeout": "13s", "maxStreamDuration": "14s",
                },
                "grpc": { "streamIdleTimeout": "1s", "maxStreamDuration": "2s" },
            },
        })
    }

    #[test]
    fn violations_say_what_kuma_says() {
        const EMPTY: &str = "at least one timeout in section has to be defined";
        check(TIMEOUT, &valid(), &[
            (&[("/conf", Value::Null)], &["conf: has to be defined"]),
            (&[("/conf/tcp", json!({}))], &[&format!("conf.tcp: {EMPTY}")]),
            (&[("/conf/http", json!({}))], &[&format!("conf.http: {EMPTY}")]),
            (&[("/conf/grpc", json!({}))], &[&format!("conf.grpc: {EMPTY}")]),
            (&[("/conf/tcp/idleTimeout", json!("0s"))], &[
                "conf.tcp.idleTimeout: has to be greater than 0",
            ]),
            (&[("/conf/http/requestTimeout", json!("0s")), ("/conf/http/idleTimeout", json!("0s"))], &[
                "conf.http.requestTimeout: has to be greater than 0 when defined",
                "conf.http.idleTimeout: has to be greater than 0 when defined",
            ]),
            (&[("/conf/grpc/maxStreamDuration", json!("0s"))], &[
                "conf.grpc.maxStreamDuration: has to be greater than 0 when defined",
            ]),
        ]);
        assert_eq!(violations(TIMEOUT, &json!({})), [
            "sources: must have at least one element",
            "destinations: must have at least one element",
            "conf: has to be defined",
        ]);
    }

    #[test]
    fn what_envoy_would_not_take() {
        check(TIMEOUT, &valid(), &[
            (&[("/conf/connectTimeout", json!("0s"))], &[
                "conf.connectTimeout: has to be greater than 0 when defined",
            ]),
            (&[("/conf/http/requestTimeout", json!("-1s"))], &[
                "conf.http.requestTimeout: must have a valid value",
            ]),
            (&[("/conf/http/maxStreamDuration", json!("-1ms"))], &[
                "conf.http.maxStreamDuration: must have a valid value",
            ]),
        ]);
    }

    #[test]
    fn streams_may_be_without_limits() {
        let unlimited = json!({ "streamIdleTimeout": "0s", "maxStreamDuration": "0s" });
        assert_valid(TIMEOUT, &with(&valid(), &[("/conf/http", unlimited)]));
    }
}
