//! Policies of mixed kinds: two of twenty shape the routes under load, the others are for services that no
//! route leads to. None lets a request fail.

use serde_json::{Value, json};

use crate::routes::SERVICES;

/// Policy `number`.
pub(crate) fn policy(number: usize) -> Value {
    let (kind, conf) = match number % 6 {
        0 => ("Timeout", json!({ "http": { "requestTimeout": "10s" } })),
        1 => ("Retry", json!({ "http": { "numRetries": 2 } })),
        2 => (
            "CircuitBreaker",
            json!({ "thresholds": { "maxConnections": 1000 } }),
        ),
        3 => (
            "HealthCheck",
            json!({
                "interval": "10s", "timeout": "2s", "unhealthyThreshold": 3, "healthyThreshold": 1,
                "tcp": {},
            }),
        ),
        4 => (
            "FaultInjection",
            json!({ "delay": { "percentage": 0, "value": "1s" } }),
        ),
        _ => (
            "RateLimit",
            json!({ "http": { "requests": 1_000_000, "interval": "1s" } }),
        ),
    };
    let service = match SERVICES.get(number % 20) {
        Some(service) => (*service).to_owned(),
        None => format!("other-{number}"),
    };
    let mut destination = json!({ "kuma.io/service": service });
    if kind == "FaultInjection" {
        destination["kuma.io/protocol"] = "http".into();
    }
    json!({
        "type": kind,
        "mesh": "default",
        "name": format!("policy-{number}"),
        "sources": [{ "match": { "kuma.io/service": "edge-gateway" } }],
        "destinations": [{ "match": destination }],
        "conf": conf,
    })
}
