//! Backends of every part, and constraints.

use serde_json::{Value, json};

use crate::{kinds::MESH, validation::tests::*};

fn valid() -> Value {
    json!({
        "mtls": { "enabledBackend": "ca", "backends": [{
            "name": "ca", "type": "builtin", "dpCert": { "rotation": { "expiration": "1d" } },
        }] },
        "tracing": { "defaultBackend": "zipkin", "backends": [
            { "name": "zipkin", "sampling": 80.5, "type": "zipkin", "conf": {
                "url": "http://zipkin.local:9411/v2/spans", "traceId128bit": true,
                "apiVersion": "httpProto", "sharedSpanContext": false,
            } },
            { "name": "datadog", "type": "datadog", "conf": {
                "address": "dd.local", "port": 8126, "splitService": true,
            } },
        ] },
        "logging": { "defaultBackend": "file", "backends": [
            { "name": "file", "format": "%START_TIME%", "type": "file",
              "conf": { "path": "/tmp/access.log" } },
            { "name": "tcp", "type": "tcp", "conf": { "address": "logs.local:5000" } },
        ] },
        "metrics": { "enabledBackend": "prometheus", "backends": [
            { "name": "prometheus", "type": "prometheus", "conf": {
                "port": 5670, "skipMTLS": true, "tls": { "mode": "disabled" },
                "aggregate": [{ "name": "app", "port": 8080 }],
            } },
        ] },
        "networking": { "outbound": { "passthrough": false } },
        "routing": { "localityAwareLoadBalancing": true, "zoneEgress": true },
        "constraints": { "dataplaneProxy": {
            "requirements": [{ "tags": { "kuma.io/zone": "*" } }],
            "restrictions": [{ "tags": { "legacy": "true" } }],
        } },
        "skipCreatingInitialPolicies": ["*"],
    })
}

#[test]
fn nothing_is_a_mesh() {
    assert_valid(MESH, &json!({}));
}

#[test]
fn mtls() {
    const EXPIRATION: &str = "mtls.dpcert.rotation.expiration: has to be a valid format";
    let ca = json!({ "name": "ca", "type": "builtin" });
    let two = json!([ca, ca]);
    check(
        MESH,
        &valid(),
        &[
            (
                &[("/mtls/backends", two)],
                &[
                    "mtls.backends[1].name: \"ca\" name is already used for another backend",
                ],
            ),
            (
                &[("/mtls/enabledBackend", json!("other"))],
                &["mtls.enabledBackend: has to be set to one of the backends in the mesh"],
            ),
            (
                &[("/mtls/backends/0/dpCert/rotation/expiration", json!("1 day"))],
                &[EXPIRATION],
            ),
            (&[("/mtls/backends/0/dpCert", json!({}))], &[EXPIRATION]),
            (
                &[("/mtls/enabledBackend", json!(""))],
                &["mtls: has to be set when zoneEgress enabled"],
            ),
            (&[("/mtls", Value::Null)], &["mtls: has to be set when zoneEgress enabled"]),
        ],
    );
}

#[test]
fn logging() {
    const FORMAT: &str = "logging.backends[1].config.address: has to be in format of HOST:PORT";
    check(
        MESH,
        &valid(),
        &[
            (
                &[("/logging/backends/1/name", json!("file"))],
                &["logging.backends[1].name: \"file\" name is already used for another backend"],
            ),
            (
                &[("/logging/defaultBackend", json!("other"))],
                &[
                    "logging.defaultBackend: has to be set to one of the logging backend in mesh",
                ],
            ),
            (
                &[("/logging/backends/1", json!({ "type": "udp" }))],
                &[
                    "logging.backends[1].name: cannot be empty",
                    "logging.backends[1].type: unknown backend type. Available backends: \"tcp\", \
                     \"file\"",
                ],
            ),
            (
                &[("/logging/backends/0/conf", json!({}))],
                &["logging.backends[0].config.path: cannot be empty"],
            ),
            (
                &[("/logging/backends/1/conf", Value::Null)],
                &["logging.backends[1].config.address: cannot be empty"],
            ),
            (&[("/logging/backends/1/conf/address", json!("logs.local"))], &[FORMAT]),
            (&[("/logging/backends/1/conf/address", json!("logs.local:0"))], &[FORMAT]),
            (&[("/logging/backends/1/conf/address", json!(":80"))], &[FORMAT]),
        ],
    );
    let numbers = with(&valid(), &[("/logging/backends/0/conf/path", json!(7))]);
    let found = violations(MESH, &numbers);
    let prefix = "logging.backends[0].config: could not parse config: ";
    assert!(found.len() == 1 && found[0].starts_with(prefix), "{found:?}");
}

#[test]
fn tracing() {
    const PORT: &str =
        "tracing.backends[0].config.url: port has to be explicitly specified";
    const NO_URL: &str = "tracing.backends[0].config.url: invalid URL";
    let url = |url: &str| ("/tracing/backends/0/conf/url", json!(url));
    check(
        MESH,
        &valid(),
        &[
            (
                &[("/tracing/backends/1/name", json!("zipkin"))],
                &[
                    "tracing.backends[1].name: \"zipkin\" name is already used for another backend",
                ],
            ),
            (
                &[("/tracing/defaultBackend", json!("other"))],
                &[
                    "tracing.defaultBackend: has to be set to one of the tracing backend in mesh",
                ],
            ),
            (
                &[("/tracing/backends/1", json!({ "sampling": 101 }))],
                &[
                    "tracing.backends[1].name: cannot be empty",
                    "tracing.backends[1].sampling: has to be in [0.0 - 100.0] range",
                    "tracing.backends[1].type: unknown backend type. Available backends: \
                     \"zipkin\", \"datadog\"",
                ],
            ),
            (
                &[("/tracing/backends/1/conf", json!({}))],
                &[
                    "tracing.backends[1].config.address: cannot be empty",
                    "tracing.backends[1].config.port: port must be in the range [1, 65535]",
                ],
            ),
            (
                &[("/tracing/backends/0/conf/apiVersion", json!("v3"))],
                &[
                    "tracing.backends[0].config.apiVersion: has invalid value. Allowed values: \
                     httpJsonV1, httpJson, httpProto",
                ],
            ),
            (&[url("")], &["tracing.backends[0].config.url: cannot be empty"]),
            (&[url("http://zipkin.local")], &[PORT]),
            (&[url("http://zipkin.local:/a")], &[PORT]),
            (&[url("zipkin")], &[NO_URL]),
            (&[url("http://zipkin.local:99999")], &[NO_URL]),
            (&[url("1http://zipkin.local:9411")], &[NO_URL]),
            (&[url("http://zipkin local:9411")], &[NO_URL]),
        ],
    );
    assert_valid(MESH, &with(&valid(), &[url("https://a:b@[::1]:9411?x=/y")]));
}

#[test]
fn metrics() {
    check(
        MESH,
        &valid(),
        &[
            (
                &[("/metrics/enabledBackend", json!("other"))],
                &["metrics.enabledBackend: has to be set to one of the backends in the mesh"],
            ),
            (
                &[("/metrics/backends/0/type", json!("statsd"))],
                &[
                    "metrics.backends[0].type: unknown backend type. Available backends: \
                     \"prometheus\"",
                ],
            ),
            (
                &[("/metrics/backends/0/conf/skipMTLS", json!(false))],
                &[
                    "metrics.backends[0].conf: skipMTLS and tls configuration cannot be defined \
                     together",
                ],
            ),
            (
                &[("/metrics/backends/0/conf/aggregate", json!([{ "name": "a" }, { "name": "a" }]))],
                &[
                    "metrics.backends[0].conf.aggregate[1].name: duplicate entry: a, values have \
                     to be unique",
                ],
            ),
        ],
    );
    let broken = json!({ "envoy": { "filterRegex": "(" } });
    let found = violations(MESH, &with(&valid(), &[("/metrics/backends/0/conf", broken)]));
    let prefix = "metrics.backends[0].conf.envoy.filterRegex: provided regexp isn't correct: ";
    assert!(found.len() == 1 && found[0].starts_with(prefix), "{found:?}");
}

#[test]
fn constraints() {
    let tags = json!({ "a": "b c" });
    check(
        MESH,
        &valid(),
        &[(
            &[
                ("/constraints/dataplaneProxy/requirements/0/tags", json!({})),
                ("/constraints/dataplaneProxy/restrictions/0/tags", tags),
            ],
            &[
                "constraints.dataplaneProxy.requirements[0].tags: must have at least one tag",
                "constraints.dataplaneProxy.restrictions[0].tags[\"a\"]: tag value must consist \
                 of alphanumeric characters, dots, dashes, slashes and underscores or be \"*\"",
            ],
        )],
    );
}
