//! Targets, conditions, changes and load balancing.

use serde_json::{Value, json};

use crate::{kinds::TRAFFIC_ROUTE, validation::tests::*};

fn valid() -> Value {
    let replace = json!({ "pattern": "^/(.*)$", "substitution": "/x/\\1" });
    json!({
        "sources": [{ "match": { "kuma.io/service": "*" } }],
        "destinations": [{ "match": { "kuma.io/service": "backend" } }],
        "conf": {
            "split": [
                { "weight": 90, "destination": { "kuma.io/service": "backend", "version": "1" } },
                { "weight": 0, "destination": { "kuma.io/service": "backend", "version": "*" } },
            ],
            "loadBalancer": { "ringHash": {
                "hashFunction": "MURMUR_HASH_2", "minRingSize": "64", "maxRingSize": "1024",
            } },
            "http": [
                {
                    "match": {
                        "method": { "exact": "GET" },
                        "path": { "prefix": "/users" },
                        "headers": { "x-version": { "regex": "v[12]" } },
                    },
                    "modify": {
                        "path": { "rewritePrefix": "/people" },
                        "host": { "fromPath": replace },
                        "requestHeaders": {
                            "add": [{ "name": "x-a", "value": "b", "append": true }],
                            "remove": [{ "name": "x-c" }],
                        },
                        "responseHeaders": { "remove": [{ "name": "x-d" }] },
                    },
                    "destination": { "kuma.io/service": "users" },
                },
                {
                    "match": { "path": { "exact": "" } },
                    "modify": { "path": { "regex": replace }, "host": { "value": "test" } },
                    "split": [{ "weight": 1, "destination": { "kuma.io/service": "a" } }],
                },
            ],
        },
    })
}

#[test]
fn targets() {
    let tags = json!({ "kuma.io/service": "backend" });
    check(
        TRAFFIC_ROUTE,
        &valid(),
        &[
            (&[("/conf", Value::Null)], &["conf: cannot be empty"]),
            (
                &[("/conf/split", Value::Null)],
                &["conf: requires either \"destination\" or \"split\""],
            ),
            (
                &[("/conf/destination", tags)],
                &["conf: \"split\" cannot be defined at the same time as \"destination\""],
            ),
            (
                &[("/conf/split", json!([{}]))],
                &[
                    "conf.split[0].weight: needs to be defined",
                    "conf.split[0].destination: must have at least one tag",
                    "conf.split[0].destination: mandatory tag \"kuma.io/service\" is missing",
                    "conf.split: there must be at least one split entry with weight above 0",
                ],
            ),
            (
                &[("/conf/http/0/destination", Value::Null)],
                &["conf.http[0]: requires either \"destination\" or \"split\""],
            ),
            (
                &[("/conf/http/0/destination", json!({ "a": "b" }))],
                &["conf.http[0].destination: mandatory tag \"kuma.io/service\" is missing"],
            ),
        ],
    );
}

#[test]
fn conditions() {
    const NONE: &str = "conf.http[1].match: must be present and contain at least one of the \
                        elements: \"method\", \"path\" or \"headers\"";
    const EMPTY: &str = "cannot be empty. Available options: \"exact\", \"split\" or \"regex\"";
    check(
        TRAFFIC_ROUTE,
        &valid(),
        &[
            (&[("/conf/http/1/match", Value::Null)], &[NONE]),
            (&[("/conf/http/1/match", json!({}))], &[NONE]),
            (
                &[("/conf/http/1/match/path", json!({}))],
                &[&format!("conf.http[1].match.path: {EMPTY}")],
            ),
            (
                &[("/conf/http/1/match/method", json!({ "prefix": "" }))],
                &["conf.http[1].match.method.prefix: cannot be empty"],
            ),
            (
                &[("/conf/http/0/match/headers", json!({ "": { "regex": "" } }))],
                &[
                    "conf.http[0].match.headers[\"\"]: cannot be empty",
                    "conf.http[0].match.headers[\"\"].regex: cannot be empty",
                ],
            ),
            (
                &[("/conf/http/1/match/path", json!({ "regex": "(" }))],
                &[
                    "conf.http[1].match.path.regex: is not a regular expression that Envoy takes: \
                   unclosed group",
                ],
            ),
        ],
    );
}

#[test]
fn changes() {
    const PSEUDO: &str =
        "host header and HTTP/2 pseudo-headers are not allowed to be modified";
    check(
        TRAFFIC_ROUTE,
        &valid(),
        &[
            (
                &[("/conf/http/0/modify", json!({ "path": {}, "host": {} }))],
                &[
                    "conf.http[0].modify.path: either \"rewritePrefix\" or \"regex\" has to be set",
                    "conf.http[0].modify.host: either \"value\" or \"fromPath\" has to be set",
                ],
            ),
            (
                &[("/conf/http/0/modify/path/rewritePrefix", json!(""))],
                &["conf.http[0].modify.path.rewritePrefix: cannot be empty"],
            ),
            (
                &[("/conf/http/1/modify/path", json!({ "rewritePrefix": "/a" }))],
                &[
                    "conf.http[1].modify.path.rewritePrefix: can only be set when \
                   .http.match.path.prefix is not empty",
                ],
            ),
            (
                &[
                    ("/conf/http/1/modify/path/regex", json!({})),
                    ("/conf/http/1/modify/host", json!({ "fromPath": {} })),
                ],
                &[
                    "conf.http[1].modify.path.regex.pattern: cannot be empty",
                    "conf.http[1].modify.path.regex.substitution: cannot be empty",
                    "conf.http[1].modify.host.fromPath.pattern: cannot be empty",
                    "conf.http[1].modify.host.fromPath.substitution: cannot be empty",
                ],
            ),
            (
                &[("/conf/http/1/modify/host/value", json!(""))],
                &["conf.http[1].modify.host.value: cannot be empty"],
            ),
            (
                &[
                    (
                        "/conf/http/0/modify/requestHeaders/add",
                        json!([{}, { "name": ":path", "value": "a" }, { "name": "a b", "value": "c" }]),
                    ),
                    (
                        "/conf/http/0/modify/responseHeaders/remove/0/name",
                        json!("Host"),
                    ),
                ],
                &[
                    "conf.http[0].modify.requestHeaders.add[0].name: cannot be empty",
                    "conf.http[0].modify.requestHeaders.add[0].value: cannot be empty",
                    &format!("conf.http[0].modify.requestHeaders.add[1].name: {PSEUDO}"),
                    "conf.http[0].modify.requestHeaders.add[2].name: is not the name of a header",
                    &format!("conf.http[0].modify.responseHeaders.remove[0].name: {PSEUDO}"),
                ],
            ),
        ],
    );
}

#[test]
fn load_balancing() {
    check(
        TRAFFIC_ROUTE,
        &valid(),
        &[
            (
                &[("/conf/loadBalancer", json!({ "leastRequest": { "choiceCount": 1 } }))],
                &[
                    "conf.loadBalancer.leastRequest.choiceCount: value must be greater than or \
                   equal to 2",
                ],
            ),
            (
                &[("/conf/loadBalancer/ringHash/hashFunction", json!("MD5"))],
                &["conf.loadBalancer.ringHash.hashFunction: must have a valid hash function"],
            ),
        ],
    );
    for balancer in ["roundRobin", "leastRequest", "random", "maglev"] {
        let mut given = json!({});
        given[balancer] = json!({});
        assert_valid(
            TRAFFIC_ROUTE,
            &with(&valid(), &[("/conf/loadBalancer", given)]),
        );
    }
}
