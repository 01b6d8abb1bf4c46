//! What a TrafficLog must fulfil.

use bytes::Bytes;
use prost::Message;

use crate::{
    proto::mesh::TrafficLog,
    validation::{
        Violations,
        tags::{self, Wanted},
    },
};

/// All that is wrong, in the order of the fields.
pub(super) fn validate(spec: &Bytes) -> Violations {
    let mut violations = Violations::default();
    let Ok(log) = TrafficLog::decode(spec.clone()) else { return violations };
    // Whether the backend exists is not asked: the mesh may get it later.
    tags::ends(
        &mut violations,
        (&log.sources, Wanted::Service),
        (&log.destinations, Wanted::ServiceAlone),
    );
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{kinds::TRAFFIC_LOG, validation::tests::*};

    #[test]
    fn violations_say_what_kuma_says() {
        let any = json!([{ "match": { "kuma.io/service": "*" } }]);
        let valid =
            json!({ "sources": any, "destinations": any, "conf": { "backend": "file" } });
        check(TRAFFIC_LOG, &valid, &[
            (&[("/sources/0/match", json!({ "region": "" }))], &[
                "sources[0].match[\"region\"]: tag value must be non-empty",
                "sources[0].match: mandatory tag \"kuma.io/service\" is missing",
            ]),
            (&[("/destinations/0/match", json!({}))], &[
                "destinations[0].match: must consist of exactly one tag \"kuma.io/service\"",
                "destinations[0].match: mandatory tag \"kuma.io/service\" is missing",
            ]),
            (&[("/destinations/0/match", json!({ "kuma.io/service": "a", "region": "b" }))], &[
                "destinations[0].match: must consist of exactly one tag \"kuma.io/service\"",
                "destinations[0].match[\"region\"]: tag \"region\" is not allowed",
            ]),
        ]);
        assert_valid(TRAFFIC_LOG, &json!({ "sources": any, "destinations": any }));
        assert_eq!(violations(TRAFFIC_LOG, &json!({})), [
            "sources: must have at least one element",
            "destinations: must have at least one element",
        ]);
    }
}
