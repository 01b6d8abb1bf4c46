//! Gateways of both types, rule by rule.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use crate::kinds::DATAPLANE;

/// Each violation as `field: reason`.
fn violations(spec: Value) -> Vec<String> {
    let spec = DATAPLANE.spec_from_json(&spec).unwrap();
    let violations = (DATAPLANE.validate)(&spec).0;
    violations.into_iter().map(|one| format!("{}: {}", one.field, one.reason)).collect()
}

/// A gateway of this type, with these fields of `networking` in addition.
fn gateway(r#type: &str, more: Value) -> Value {
    let mut networking = json!({
        "address": "10.0.0.1",
        "gateway": { "type": r#type, "tags": { "kuma.io/service": "edge" } },
    });
    for (name, value) in more.as_object().unwrap() {
        networking[name] = value.clone();
    }
    json!({ "networking": networking })
}

fn outbound(more: Value) -> Value {
    let mut outbound = json!({ "port": 80, "tags": { "kuma.io/service": "api" } });
    for (name, value) in more.as_object().unwrap() {
        outbound[name] = value.clone();
    }
    gateway("DELEGATED", json!({ "outbound": [outbound] }))
}

#[test]
fn valid_ones() {
    let outbounds = json!({ "outbound": [
        { "port": 80, "tags": { "kuma.io/service": "api", "version": "v1" } },
        { "port": 81, "address": "::1", "tags": { "kuma.io/service": "api" } },
        { "port": 80, "address": "127.0.0.2",
          "backendRef": { "kind": "MeshService", "name": "api", "port": 80 } },
        { "port": 82, "backendRef": { "kind": "MeshExternalService", "labels": { "a": "b" } } },
    ], "admin": { "port": 9901 } });
    let mut probed = gateway("DELEGATED", outbounds);
    probed["probes"] = json!({ "port": 9000, "endpoints": [
        { "inboundPort": 80, "inboundPath": "/a", "path": "/b?c" },
    ] });
    let protocol = |value: &str| {
        json!({ "gateway": { "tags": { "kuma.io/service": "edge", "kuma.io/protocol": value } } })
    };
    for valid in [
        probed,
        gateway("BUILTIN", json!({})),
        gateway("BUILTIN", json!({ "gateway": { "type": "BUILTIN" } })),
        gateway("DELEGATED", json!({ "gateway": {} })),
        gateway("DELEGATED", protocol("tcp")),
    ] {
        assert_eq!(violations(valid.clone()), [""; 0], "{valid}");
    }
}

#[test]
fn parts_that_a_type_cannot_have() {
    let inbound = json!([{ "port": 80, "tags": { "kuma.io/service": "x" } }]);
    let parts = json!({
        "inbound": inbound, "outbound": inbound, "listeners": [{ "port": 80 }],
    });
    assert_eq!(
        violations(gateway("BUILTIN", parts.clone())),
        [
            "networking.inbound: inbound cannot be defined for builtin gateways",
            "networking.outbound: outbound cannot be defined for builtin gateways",
            "networking.listeners: listeners cannot be defined for builtin gateways",
        ]
    );
    assert_eq!(
        violations(gateway("DELEGATED", parts)),
        [
            "networking.inbound: inbound cannot be defined for delegated gateways",
            "networking.listeners: listeners cannot be defined for delegated gateways",
        ]
    );
    let mut probed = gateway("BUILTIN", json!({}));
    probed["probes"] = json!({ "port": 0 });
    assert_eq!(
        violations(probed),
        ["networking.probes: probes cannot be defined for builtin gateways"]
    );
}

#[test]
fn gateway_tags() {
    for r#type in ["BUILTIN", "DELEGATED"] {
        let with = |tags: Value| {
            violations(gateway(r#type, json!({ "gateway": { "type": r#type, "tags": tags } })))
        };
        assert_eq!(
            with(json!({ "a": "b" })),
            ["networking.gateway.tags: mandatory tag \"kuma.io/service\" is missing"]
        );
        assert_eq!(
            with(json!({ "kuma.io/service": "edge", "kuma.io/protocol": "http" })),
            ["networking.gateway.tags[\"kuma.io/protocol\"]: other values than tcp are not allowed, \
              provided value \"http\""]
        );
        assert_eq!(
            with(json!({ "kuma.io/service": "edge", "zone": "" })),
            ["networking.gateway.tags[\"zone\"]: tag value must be non-empty"]
        );
    }
}

#[test]
fn outbounds() {
    let reference = json!({ "kind": "MeshService", "name": "api", "port": 80 });
    for (more, expected) in [
        (json!({ "port": 0 }), "port: port must be in the range [1, 65535]"),
        (json!({ "port": 65536 }), "port: port must be in the range [1, 65535]"),
        (json!({ "address": "a.b" }), "address: address has to be valid IP address"),
        (json!({ "tags": {} }), "tags: mandatory tag \"kuma.io/service\" is missing"),
        (json!({ "tags": { "a": "b" } }), "tags: mandatory tag \"kuma.io/service\" is missing"),
        (
            json!({ "backendRef": reference }),
            "backendRef: both backendRef and tags/service cannot be defined",
        ),
        (
            json!({ "tags": {}, "backendRef": { "kind": "Mesh", "name": "api", "port": 80 } }),
            "backendRef.kind: invalid value. Available values are: \
             MeshExternalService,MeshMultiZoneService,MeshService",
        ),
        (
            json!({ "tags": {}, "backendRef": { "kind": "MeshService", "port": 80 } }),
            "backendRef: either 'name' or 'labels' should be specified",
        ),
        (
            json!({ "tags": {}, "backendRef": { "kind": "MeshService", "name": "api" } }),
            "backendRef.port: port must be in the range [1, 65535]",
        ),
    ] {
        assert_eq!(violations(outbound(more)), [format!("networking.outbound[0].{expected}")]);
    }
    let twice = json!({ "outbound": [
        { "port": 80, "tags": { "kuma.io/service": "api" } },
        { "port": 80, "address": "127.0.0.1", "tags": { "kuma.io/service": "web" } },
    ] });
    assert_eq!(
        violations(gateway("DELEGATED", twice)),
        ["networking.outbound[1]: 127.0.0.1 port 80 already has an outbound"]
    );
}

#[test]
fn the_admin_port_is_nobody_elses() {
    let with_outbound = |address: &str| {
        let outbound =
            json!({ "port": 9901, "address": address, "tags": { "kuma.io/service": "api" } });
        violations(gateway(
            "DELEGATED",
            json!({ "admin": { "port": 9901 }, "outbound": [outbound] }),
        ))
    };
    let refused = ["networking.admin.port: must differ from outbound"];
    assert_eq!(with_outbound(""), refused);
    assert_eq!(with_outbound("0.0.0.0"), refused);
    assert_eq!(with_outbound("10.0.0.1"), [""; 0]);

    let inbound = json!({ "port": 80, "servicePort": 9901, "serviceAddress": "127.0.0.1" });
    let member = json!({ "networking": {
        "address": "10.0.0.1", "admin": { "port": 9901 }, "inbound": [inbound],
    } });
    assert_eq!(violations(member), ["networking.admin.port: must differ from inbound"]);
}

#[test]
fn protocols_of_inbounds() {
    let with = |more: Value, tag: &str| {
        let tags = json!({ "kuma.io/service": "api", "kuma.io/protocol": tag });
        let mut inbound = json!({ "port": 80, "tags": tags });
        inbound["protocol"] = more;
        violations(
            json!({ "networking": { "address": "10.0.0.1", "inbound": [inbound] } }),
        )
    };
    for protocol in ["http", "HTTP", "gRPC", "Kafka", "tls", "mysql"] {
        assert_eq!(with(json!(protocol), protocol), [""; 0], "{protocol}");
    }
    const ALLOWED: &str = "Allowed values: grpc, http, http2, kafka, tcp";
    assert_eq!(
        with(json!("spdy"), "http3"),
        [
            format!(
                "networking.inbound[0].tags[\"kuma.io/protocol\"]: tag \"kuma.io/protocol\" has an \
                 invalid value \"http3\". {ALLOWED}"
            ),
            format!("networking.inbound[0].protocol: has an invalid value \"spdy\". {ALLOWED}"),
        ]
    );
}

#[test]
fn probes_of_delegated_gateways() {
    let mut probed = gateway("DELEGATED", json!({}));
    probed["probes"] = json!({ "endpoints": [{ "inboundPath": "a", "path": "/b" }] });
    assert_eq!(
        violations(probed),
        [
            "probes.port: port must be in the range [1, 65535]",
            "probes.endpoints[0].inboundPort: port must be in the range [1, 65535]",
            "probes.endpoints[0].inboundPath: should be a valid URL Path",
        ]
    );
}

#[test]
fn reachable_backends() {
    let with = |reference: Value| {
        let refs = json!({ "reachableBackends": { "refs": [reference] } });
        let found = violations(gateway("DELEGATED", json!({ "transparentProxying": refs })));
        let field = "networking.transparentProxing.reachableBackends.refs[0].";
        let found = found.into_iter().map(|one| one.strip_prefix(field).unwrap().to_owned());
        found.collect::<Vec<_>>()
    };
    let kind = "MeshService";
    assert_eq!(with(json!({ "kind": kind, "name": "api" })), [""; 0]);
    assert_eq!(with(json!({ "kind": kind, "labels": { "a": "b" } })), [""; 0]);
    for (reference, expected) in [
        (
            json!({ "kind": "Mesh", "name": "api" }),
            "kind: invalid value. Available values are: \
             MeshExternalService,MeshMultiZoneService,MeshService",
        ),
        (json!({ "kind": kind }), "name: name or labels are required"),
        (
            json!({ "kind": kind, "namespace": "a" }),
            "name: name is required, when namespace is defined",
        ),
        (
            json!({ "kind": kind, "name": "a", "labels": { "a": "b" } }),
            "labels: labels cannot be defined when name is specified",
        ),
    ] {
        assert_eq!(with(reference), [expected]);
    }
}

#[test]
fn a_zone_completes_tags_and_makes_none() {
    let completed = |tags: Value| {
        let spec = gateway("DELEGATED", json!({ "gateway": { "tags": tags } }));
        let spec = DATAPLANE.spec_from_json(&spec).unwrap();
        let spec = (DATAPLANE.in_zone)(spec, "east");
        assert!((DATAPLANE.validate)(&spec).is_empty());
        DATAPLANE.spec_to_json(&spec).unwrap()["networking"]["gateway"]["tags"].clone()
    };
    assert_eq!(
        completed(json!({ "kuma.io/service": "edge" })),
        json!({ "kuma.io/service": "edge", "kuma.io/zone": "east" })
    );
    assert_eq!(completed(json!({})), Value::Null);
}
