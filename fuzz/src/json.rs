//! JSON as the REST API gets it.

use portolan_model::Kind;
use serde_json::Value;

/// Whatever is read as a spec of some kind can be validated and written, and what is written is read as
/// the same spec.
pub fn check(bytes: &[u8]) {
    let Ok(json) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    for kind in Kind::all() {
        let Ok(spec) = kind.spec_from_json(&json) else {
            continue;
        };
        let _ = (kind.validate)(&spec);
        let _ = (kind.labels)(&spec);
        let written = kind.spec_to_json(&spec).expect("what was read");
        let again = kind.spec_from_json(&written).expect("what was written");
        assert_eq!(spec, again, "{} {written}", kind.name());
    }
}
