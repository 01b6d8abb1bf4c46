//! What a MeshGatewayInstance must fulfil.

use bytes::Bytes;
use prost::Message;

use super::quantity;
use crate::{
    proto::status::{MeshGatewayInstance, mesh_gateway_instance::Limits},
    tags::ZONE,
    validation::{
        self, Violations, fields,
        tags::{self, Values},
    },
};

/// Most instances of one gateway in one zone: a guard against a slip of the keyboard.
const MAX_REPLICAS: u32 = 1000;
/// Most worker threads of one instance, in thousandths.
const MAX_CPU: u64 = 1024 * 1000;

/// All that is wrong, in the order of the fields.
pub(super) fn validate(spec: &Bytes) -> Violations {
    let mut violations = Violations::default();
    let Ok(instance) = MeshGatewayInstance::decode(spec.clone()) else { return violations };
    tags::of_service(&mut violations, "tags", &instance.tags, Values::OWN);
    tags::protocol(&mut violations, "tags", &instance.tags);
    if instance.tags.contains_key(ZONE) {
        let reason = format!("tag name must not be {ZONE:?}: each zone adds its own");
        violations.add(fields::key("tags", ZONE), reason);
    }
    replicas(&mut violations, "replicas", instance.replicas.unwrap_or_default());
    for (zone, count) in &instance.zone_replicas {
        let field = fields::key("zoneReplicas", zone);
        if !validation::name(zone).is_empty() {
            violations.add(field.clone(), "is not the name of a zone");
        }
        replicas(&mut violations, &field, *count);
    }
    if let Some(limits) = instance.resources.as_ref().and_then(|all| all.limits.as_ref()) {
        validate_limits(&mut violations, limits);
    }
    violations
}

fn replicas(violations: &mut Violations, field: &str, count: u32) {
    if count > MAX_REPLICAS {
        violations.add(field, format!("must be in the range [0, {MAX_REPLICAS}]"));
    }
}

fn validate_limits(violations: &mut Violations, limits: &Limits) {
    let cpu = |milli: u64| (1..=MAX_CPU).contains(&milli);
    let memory = |milli: u64| milli >= 1000;
    if !limits.cpu.is_empty() && !quantity::milli(&limits.cpu).is_some_and(cpu) {
        violations.add(
            "resources.limits.cpu",
            "must be a number of processors such as \"2\" or \"500m\", up to 1024",
        );
    }
    if !limits.memory.is_empty() && !quantity::milli(&limits.memory).is_some_and(memory) {
        violations.add(
            "resources.limits.memory",
            "must be an amount of memory such as \"512Mi\" or \"2G\"",
        );
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use crate::{kinds::MESH_GATEWAY_INSTANCE, validation::tests};

    /// Of a spec with these fields besides its tags, each violation as `field: reason`.
    fn violations(more: &Value) -> Vec<String> {
        let mut spec = json!({ "tags": { "kuma.io/service": "edge-gateway" } });
        for (name, value) in more.as_object().unwrap() {
            spec[name] = value.clone();
        }
        tests::violations(MESH_GATEWAY_INSTANCE, &spec)
    }

    #[test]
    fn what_is_valid() {
        for valid in [
            json!({}),
            json!({ "replicas": 0, "zoneReplicas": { "zone-1": 1000, "eu.west": 0 } }),
            json!({ "resources": { "limits": { "cpu": "500m", "memory": "1Gi" } } }),
            json!({ "resources": {} }),
            json!({ "tags": { "kuma.io/service": "edge", "version": "v1" } }),
        ] {
            assert_eq!(violations(&valid), [""; 0], "{valid}");
        }
    }

    #[test]
    fn what_is_not() {
        const CPU: &str = "resources.limits.cpu: must be a number of processors such as \"2\" or \
                           \"500m\", up to 1024";
        const MEMORY: &str = "resources.limits.memory: must be an amount of memory such as \
                              \"512Mi\" or \"2G\"";
        let limits = |cpu: &str, memory: &str| {
            json!({ "resources": { "limits": { "cpu": cpu, "memory": memory } } })
        };
        for (invalid, expected) in [
            (json!({ "tags": {} }), "tags: mandatory tag \"kuma.io/service\" is missing"),
            (
                json!({ "tags": { "kuma.io/service": "*" } }),
                "tags[\"kuma.io/service\"]: tag value must consist of alphanumeric characters, dots, dashes \
                 and underscores",
            ),
            (
                json!({ "tags": { "kuma.io/service": "edge", "kuma.io/zone": "zone-1" } }),
                "tags[\"kuma.io/zone\"]: tag name must not be \"kuma.io/zone\": each zone adds its own",
            ),
            (json!({ "replicas": 1001 }), "replicas: must be in the range [0, 1000]"),
            (
                json!({ "zoneReplicas": { "zone-1": 1001 } }),
                "zoneReplicas[\"zone-1\"]: must be in the range [0, 1000]",
            ),
            (
                json!({ "zoneReplicas": { "Zone 1": 1 } }),
                "zoneReplicas[\"Zone 1\"]: is not the name of a zone",
            ),
            (limits("0", ""), CPU),
            (limits("many", ""), CPU),
            (limits("2000", ""), CPU),
            (limits("", "0"), MEMORY),
            (limits("", "1 GB"), MEMORY),
        ] {
            assert_eq!(violations(&invalid), [expected], "{invalid}");
        }
    }

    #[test]
    fn counts_below_none_are_no_numbers() {
        let negative = json!({ "tags": { "kuma.io/service": "edge" }, "replicas": -1 });
        assert!(MESH_GATEWAY_INSTANCE.spec_from_json(&negative).is_err());
    }
}
