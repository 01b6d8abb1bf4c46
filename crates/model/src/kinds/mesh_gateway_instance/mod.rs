//! MeshGatewayInstance: how many instances of a gateway each zone runs.

mod quantity;
mod validate;

use crate::{
    kind::{Codec, Descriptor, Direction, Scope},
    labels::Labels,
    proto::{
        self,
        status::{MeshGatewayInstance, mesh_gateway_instance::Resources},
    },
};

/// The registry's entry. All zones get it under the name that it has on the global.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "MeshGatewayInstance",
    plural: "meshgatewayinstances",
    singular: "meshgatewayinstance",
    short: "mgwi",
    scope: Scope::Mesh,
    direction: Direction::GlobalToZone,
    policy: false,
    read_only: false,
    keeps_name: true,
    message: "portolan.v1.MeshGatewayInstance",
    codec: Codec::of::<proto::status::MeshGatewayInstance>(),
    validate: validate::validate,
    labels: |_| Labels::new(),
    in_zone: |spec, _| spec,
};

/// Instances of a zone where nothing says how many.
const DEFAULT_REPLICAS: u32 = 1;

/// How many instances a zone is to run.
pub fn wanted(spec: &MeshGatewayInstance, zone: &str) -> u32 {
    let own = spec.zone_replicas.get(zone).copied();
    own.or(spec.replicas).unwrap_or(DEFAULT_REPLICAS)
}

/// What one instance may use of its machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InstanceLimits {
    /// Worker threads; `None` for one of each processor.
    pub workers: Option<u32>,
    /// Memory in bytes; 0 for no limit.
    pub memory_bytes: u64,
}

/// The limits of a valid spec; what cannot be read limits nothing.
pub fn limits(resources: Option<&Resources>) -> InstanceLimits {
    let limits = resources.and_then(|resources| resources.limits.as_ref());
    let (cpu, memory) = limits.map_or(("", ""), |limits| (&limits.cpu, &limits.memory));
    InstanceLimits {
        workers: quantity::milli(cpu)
            .and_then(|milli| u32::try_from(milli.div_ceil(1000)).ok())
            .filter(|workers| *workers > 0),
        memory_bytes: quantity::milli(memory).map_or(0, |milli| milli.div_ceil(1000)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use prost::Message;
    use serde_json::{Value, json};

    use super::*;
    use crate::kinds::MESH_GATEWAY_INSTANCE;

    fn spec(json: &Value) -> MeshGatewayInstance {
        let spec = MESH_GATEWAY_INSTANCE.spec_from_json(json).unwrap();
        MeshGatewayInstance::decode(spec).unwrap()
    }

    #[test]
    fn a_zone_has_its_own_number_else_that_of_all_else_one() {
        let own = json!({ "replicas": 2, "zoneReplicas": { "zone-1": 5, "zone-2": 0 } });
        for (given, zone, expected) in [
            (json!({}), "zone-1", 1),
            (json!({ "replicas": 0 }), "zone-1", 0),
            (json!({ "replicas": 2 }), "zone-1", 2),
            (json!({ "zoneReplicas": { "zone-1": 5 } }), "zone-2", 1),
            (own.clone(), "zone-1", 5),
            (own.clone(), "zone-2", 0),
            (own, "zone-3", 2),
        ] {
            assert_eq!(wanted(&spec(&given), zone), expected, "{given} in {zone}");
        }
    }

    #[test]
    fn limits_are_those_of_a_process() {
        for (cpu, memory, workers, memory_bytes) in [
            ("", "", None, 0),
            ("2", "512Mi", Some(2), 512 << 20),
            ("500m", "1G", Some(1), 1_000_000_000),
            ("1500m", "0.5Gi", Some(2), 512 << 20),
        ] {
            let given = json!({ "resources": { "limits": { "cpu": cpu, "memory": memory } } });
            let expected = InstanceLimits { workers, memory_bytes };
            assert_eq!(limits(spec(&given).resources.as_ref()), expected, "{given}");
        }
        assert_eq!(limits(None), InstanceLimits::default());
    }
}
