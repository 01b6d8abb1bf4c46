//! Secret: something that a mesh's gateways need and nobody else may see, such as a certificate with its key.

use bytes::Bytes;
use prost::Message;

use crate::{
    kind::{Codec, Descriptor, Direction, Scope, SpecError},
    labels::Labels,
    proto,
    resource::Resource,
    validation::Violations,
};

/// The registry's entry.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "Secret",
    plural: "secrets",
    singular: "secret",
    short: "",
    scope: Scope::Mesh,
    direction: Direction::GlobalToZone,
    policy: false,
    read_only: false,
    keeps_name: true,
    message: "kuma.system.v1alpha1.Secret",
    codec: Codec::of_secret::<proto::system::Secret>(),
    validate,
    labels: |_| Labels::new(),
    in_zone: |spec, _| spec,
};

/// What a Secret or a GlobalSecret keeps.
///
/// # Errors
/// When the resource is of another kind.
pub fn data(secret: &Resource) -> Result<Bytes, SpecError> {
    let spec: proto::system::Secret = secret.spec_as()?;
    Ok(spec.data.unwrap_or_default().value)
}

/// A secret without content is a mistake of its writer.
pub(super) fn validate(spec: &Bytes) -> Violations {
    let mut violations = Violations::default();
    let Ok(secret) = proto::system::Secret::decode(spec.clone()) else { return violations };
    if secret.data.is_none_or(|data| data.value.is_empty()) {
        violations.add("data", "cannot be empty");
    }
    violations
}
