//! What the probes of a Dataplane must fulfil.

use crate::{
    proto::mesh::dataplane::Probes,
    validation::{Violations, fields},
};

/// All that is wrong with them.
pub(super) fn validate(violations: &mut Violations, probes: &Probes) {
    fields::port(violations, "probes.port".to_owned(), probes.port);
    for (position, endpoint) in probes.endpoints.iter().enumerate() {
        let field = format!("probes.endpoints[{position}]");
        fields::port(violations, format!("{field}.inboundPort"), endpoint.inbound_port);
        for (name, path) in [("inboundPath", &endpoint.inbound_path), ("path", &endpoint.path)] {
            if !path.starts_with('/') {
                violations.add(format!("{field}.{name}"), "should be a valid URL Path");
            }
        }
    }
}
