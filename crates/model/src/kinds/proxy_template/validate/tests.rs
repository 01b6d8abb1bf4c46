//! Imports, raw resources, and what can be done with each part.

use serde_json::{Value, json};

use crate::{kinds::PROXY_TEMPLATE, validation::tests::*};

fn of(conf: Value) -> Value {
    json!({ "selectors": [{ "match": { "kuma.io/service": "*" } }], "conf": conf })
}

fn modification(part: &str, more: Value) -> Value {
    let mut one = json!({});
    one[part] = more;
    of(json!({ "modifications": [one] }))
}

#[test]
fn valid_ones() {
    let filter = "name: envoy.filters.http.cors\ntypedConfig:\n  '@type': a.b/c.Cors";
    let valid = of(json!({
        "imports": ["default-proxy", "gateway-proxy"],
        "resources": [{ "name": "raw", "version": "v1", "resource": "'@type': a.b/c.Cluster" }],
        "modifications": [
            { "cluster": { "operation": "add", "value": "name: extra\nconnectTimeout: 9s" } },
            { "cluster": { "match": { "origin": "gateway" }, "operation": "patch",
                           "value": "connectTimeout: 8s" } },
            { "listener": { "match": { "name": "a", "tags": { "a": "b" } },
                            "operation": "remove" } },
            { "networkFilter": { "match": { "name": "b", "listenerName": "c" },
                                 "operation": "addBefore", "value": filter } },
            { "httpFilter": { "match": { "listenerTags": { "a": "b" } }, "operation": "addFirst",
                              "value": filter } },
            { "virtualHost": { "match": { "routeConfigurationName": "r" }, "operation": "add",
                               "value": "{\"name\": \"host\"}" } },
        ],
    }));
    assert_valid(PROXY_TEMPLATE, &valid);
    assert_valid(PROXY_TEMPLATE, &json!({}));
}

#[test]
fn imports_and_raw_resources() {
    let conf = json!({ "imports": ["", "unknown"], "resources": [
        {},
        { "name": "a", "version": "b", "resource": "c" },
        { "name": "a", "version": "b", "resource": "name: c" },
    ] });
    assert_eq!(
        violations(PROXY_TEMPLATE, &of(conf)),
        [
            "conf.imports[0]: cannot be empty",
            "conf.imports[1]: profile not found. Available profiles: \
             default-proxy,egress-proxy,gateway-proxy,ingress-proxy",
            "conf.resources[0].name: cannot be empty",
            "conf.resources[0].version: cannot be empty",
            "conf.resources[0].resource: cannot be empty",
            "conf.resources[1].resource: native Envoy resource is not valid: it is not a YAML object",
            "conf.resources[2].resource: native Envoy resource is not valid: @type is missing",
        ]
    );
    let no_service = json!({ "selectors": [{ "match": {} }] });
    assert_eq!(
        violations(PROXY_TEMPLATE, &no_service),
        [
            "selectors[0].match: must have at least one tag",
            "selectors[0].match: mandatory tag \"kuma.io/service\" is missing",
        ]
    );
}

#[test]
fn clusters_listeners_and_virtual_hosts() {
    for part in ["cluster", "listener", "virtualHost"] {
        let of = |more: Value| violations(PROXY_TEMPLATE, &modification(part, more));
        let field = format!("conf.modifications[0].{part}");
        let matched =
            if part == "virtualHost" { format!("{field}.match.name") } else { format!("{field}.match") };
        assert_eq!(
            of(json!({ "operation": "addFirst", "value": "{}" })),
            [format!(
                "{field}.operation: invalid operation. Available operations: \"add\", \"patch\", \
                 \"remove\""
            )]
        );
        assert_eq!(
            of(json!({ "operation": "add", "match": { "name": "a" }, "value": "a: b" })),
            [
                format!("{matched}: cannot be defined"),
                format!("{field}.value: native Envoy resource is not valid: name is missing"),
            ]
        );
        assert_eq!(
            of(json!({ "operation": "patch", "value": "- a" })),
            [format!("{field}.value: native Envoy resource is not valid: it is not a YAML object")]
        );
    }
}

#[test]
fn filters() {
    for part in ["networkFilter", "httpFilter"] {
        let of = |more: Value| violations(PROXY_TEMPLATE, &modification(part, more));
        let field = format!("conf.modifications[0].{part}");
        assert_eq!(
            of(json!({ "operation": "add", "value": "{}" })),
            [format!(
                "{field}.operation: invalid operation. Available operations: \"addFirst\", \
                 \"addLast\", \"addBefore\", \"addAfter\", \"patch\", \"remove\""
            )]
        );
        for (operation, reason) in [
            ("addBefore", ". You need to pick a filter before which this one will be added"),
            ("addAfter", ". You need to pick a filter after which this one will be added"),
            ("patch", ""),
        ] {
            assert_eq!(
                of(json!({ "operation": operation, "value": "name: a" })),
                [format!("{field}.match.name: cannot be empty{reason}")]
            );
        }
        let broken = of(json!({ "operation": "addLast", "value": "a: [" }));
        let prefix = format!("{field}.value: native Envoy resource is not valid: ");
        assert!(broken.len() == 1 && broken[0].starts_with(&prefix), "{broken:?}");
    }
    let nothing = of(json!({ "modifications": [{}] }));
    assert_eq!(violations(PROXY_TEMPLATE, &nothing), ["conf.modifications[0]: cannot be empty"]);
}
