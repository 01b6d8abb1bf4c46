//! Specs as the sync protocol brings them.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use portolan_gateway::{Reason, ZoneView};
use portolan_model::{
    Kind, Labels, Resource, ResourceKey,
    kinds::{DATAPLANE, MESH_GATEWAY, MESH_GATEWAY_ROUTE},
};
use serde_json::json;

/// Whatever is a spec of some kind is read alike again, can be validated, and compiles; and what is valid
/// compiles without a fault that validation could have told.
pub fn check(bytes: &[u8]) {
    for kind in Kind::all() {
        let Ok(spec) = kind.spec_from_wire(bytes) else {
            continue;
        };
        let again = kind.spec_from_wire(&spec).expect("what was written");
        assert_eq!(spec, again, "{}", kind.name());
        let valid = (kind.validate)(&spec).is_empty();
        let completed = (kind.in_zone)(spec, "east");
        compile(kind, completed, valid);
    }
}

fn compile(kind: Kind, spec: Bytes, valid: bool) {
    let mut view = ZoneView::new("east");
    for (kind, name, spec) in surroundings() {
        view.put(&resource(
            kind,
            name,
            kind.spec_from_json(&spec).expect("a spec"),
        ));
    }
    view.put(&resource(kind, "fuzzed", spec));
    for instance in ["gateway", "fuzzed"] {
        let instance = ResourceKey::in_mesh(DATAPLANE, "default", instance);
        let Some(compiled) = view.compile(&instance) else {
            continue;
        };
        let told = |reason: &Reason| {
            // Not of the resource alone, or allowed to write though not served.
            !matches!(
                reason,
                Reason::NoSecret(_)
                    | Reason::CrossMesh
                    | Reason::Address(_)
                    | Reason::NoBackend(..)
                    | Reason::NoDefaultBackend(_)
                    | Reason::NoLogPipe(..)
                    | Reason::LogFormat(_)
                    | Reason::Modification(_)
            )
        };
        let fault = compiled.faults.iter().find(|fault| told(&fault.reason));
        assert!(!valid || fault.is_none(), "{} {fault:?}", kind.name());
    }
}

/// An instance, a MeshGateway and a route, so that whatever is put beside them has something to do.
fn surroundings() -> [(Kind, &'static str, serde_json::Value); 3] {
    let selectors = json!([{"match": {"kuma.io/service": "edge"}}]);
    let matches = json!([{"path": {"match": "PREFIX", "value": "/"}}]);
    let backends = json!([{"destination": {"kuma.io/service": "api"}}]);
    [
        (
            DATAPLANE,
            "gateway",
            json!({"networking": {
                "address": "127.0.0.1",
                "gateway": {"type": "BUILTIN", "tags": {"kuma.io/service": "edge"}},
            }}),
        ),
        (
            MESH_GATEWAY,
            "edge",
            json!({
                "selectors": selectors,
                "conf": {"listeners": [{"port": 8080, "protocol": "HTTP"}]},
            }),
        ),
        (
            MESH_GATEWAY_ROUTE,
            "api",
            json!({
                "selectors": selectors,
                "conf": {"http": {"rules": [{"matches": matches, "backends": backends}]}},
            }),
        ),
    ]
}

fn resource(kind: Kind, name: &str, spec: Bytes) -> Arc<Resource> {
    Arc::new(Resource {
        key: ResourceKey::in_mesh(kind, "default", name),
        labels: Labels::new(),
        spec,
        version: 1,
        revision: 1,
        created: Timestamp::UNIX_EPOCH,
        modified: Timestamp::UNIX_EPOCH,
    })
}
