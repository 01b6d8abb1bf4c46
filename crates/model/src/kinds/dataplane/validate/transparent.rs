//! What transparent proxying must fulfil.

use super::outbound::{BACKEND_KINDS, unknown_kind};
use crate::{
    proto::mesh::dataplane::networking::{TransparentProxying, transparent_proxying::ReachableBackendRef},
    validation::{self, Violations},
};

/// Kuma's spelling, which scripts may know.
const FIELD: &str = "networking.transparentProxing.reachableBackends.refs";

/// All that is wrong with it.
pub(super) fn validate(violations: &mut Violations, transparent: &TransparentProxying) {
    let backends = transparent.reachable_backends.iter();
    let references = backends.flat_map(|backends| &backends.refs);
    for (position, reference) in references.enumerate() {
        validate_reference(violations, &format!("{FIELD}[{position}]"), reference);
    }
}

fn validate_reference(violations: &mut Violations, field: &str, reference: &ReachableBackendRef) {
    let ReachableBackendRef { kind, name, namespace, labels, .. } = reference;
    if !BACKEND_KINDS.contains(&&**kind) {
        violations.add(format!("{field}.kind"), unknown_kind());
    }
    let field_name = format!("{field}.name");
    match (name.is_empty(), namespace.is_empty(), labels.is_empty()) {
        (true, true, true) => violations.add(field_name, "name or labels are required"),
        (true, false, _) => {
            violations.add(field_name, "name is required, when namespace is defined");
        }
        (true, true, false) => {}
        (false, ..) => {
            for wrong in validation::name(name).0 {
                violations.add(field_name.clone(), wrong.reason);
            }
        }
    }
    if !(name.is_empty() && namespace.is_empty() || labels.is_empty()) {
        violations
            .add(format!("{field}.labels"), "labels cannot be defined when name is specified");
    }
}
