//! What a TrafficPermission must fulfil.

use bytes::Bytes;
use prost::Message;

use crate::{
    proto::mesh::TrafficPermission,
    validation::{
        Violations,
        tags::{self, Wanted},
    },
};

/// All that is wrong, in the order of the fields.
pub(super) fn validate(spec: &Bytes) -> Violations {
    let mut violations = Violations::default();
    let Ok(permission) = TrafficPermission::decode(spec.clone()) else { return violations };
    let (sources, destinations) = (&permission.sources, &permission.destinations);
    tags::ends(&mut violations, (sources, Wanted::Tags), (destinations, Wanted::Tags));
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{kinds::TRAFFIC_PERMISSION, validation::tests::*};

    #[test]
    fn violations_say_what_kuma_says() {
        let valid = json!({
            "sources": [{ "match": { "kuma.io/service": "web", "version": "*" } }],
            "destinations": [{ "match": { "region": "a/b" } }],
        });
        check(TRAFFIC_PERMISSION, &valid, &[
            (&[("/sources/0/match", json!({}))], &["sources[0].match: must have at least one tag"]),
            (&[("/sources", json!([{ "match": null, "kuma.io/service": "web" }]))], &[
                "sources[0].match: must have at least one tag",
            ]),
            (&[("/destinations/0/match", json!({ "": "x", "a b": "*", "c": "**" }))], &[
                "destinations[0].match: tag name must be non-empty",
                "destinations[0].match[\"a b\"]: tag name must consist of alphanumeric characters, \
                 dots, dashes, slashes and underscores",
                "destinations[0].match[\"c\"]: tag value must consist of alphanumeric characters, \
                 dots, dashes, slashes and underscores or be \"*\"",
            ]),
        ]);
        assert_eq!(violations(TRAFFIC_PERMISSION, &json!({})), [
            "sources: must have at least one element",
            "destinations: must have at least one element",
        ]);
    }
}
