//! What a TrafficTrace must fulfil.

use bytes::Bytes;
use prost::Message;

use crate::{
    proto::mesh::TrafficTrace,
    validation::{
        Violations,
        tags::{self, Wanted},
    },
};

/// All that is wrong, in the order of the fields.
pub(super) fn validate(spec: &Bytes) -> Violations {
    let mut violations = Violations::default();
    let Ok(trace) = TrafficTrace::decode(spec.clone()) else { return violations };
    // Whether the backend exists is not asked: the mesh may get it later.
    tags::selectors(&mut violations, "selectors", &trace.selectors, Wanted::Tags);
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{kinds::TRAFFIC_TRACE, validation::tests::*};

    #[test]
    fn violations_say_what_kuma_says() {
        let valid = json!({
            "selectors": [{ "match": { "kuma.io/service": "*" } }],
            "conf": { "backend": "zipkin" },
        });
        check(TRAFFIC_TRACE, &valid, &[
            (&[("/selectors/0/match", json!({}))], &[
                "selectors[0].match: must have at least one tag",
            ]),
        ]);
        assert_eq!(violations(TRAFFIC_TRACE, &json!({})), [
            "selectors: must have at least one element",
        ]);
    }
}
