//! What the outbounds of a Dataplane must fulfil.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr},
};

use crate::{
    proto::mesh::dataplane::networking::{Outbound, outbound::BackendRef},
    validation::{
        Violations, fields,
        tags::{self, Values},
    },
};

/// What a backendRef may point at, in Kuma's order.
pub(super) const BACKEND_KINDS: [&str; 3] =
    ["MeshExternalService", "MeshMultiZoneService", "MeshService"];

/// All that is wrong with them.
pub(super) fn validate(violations: &mut Violations, outbounds: &[Outbound]) {
    let mut taken = HashSet::new();
    for (position, outbound) in outbounds.iter().enumerate() {
        let field = format!("networking.outbound[{position}]");
        validate_one(violations, &field, outbound);
        // Kuma takes it, and serves one of the two.
        if let Some(address) = address(outbound)
            && !taken.insert((address, outbound.port))
        {
            let port = outbound.port;
            violations.add(field, format!("{address} port {port} already has an outbound"));
        }
    }
}

/// Where an outbound is reached: loopback unless it says something else.
pub(super) fn address(outbound: &Outbound) -> Option<IpAddr> {
    match &*outbound.address {
        "" => Some(Ipv4Addr::LOCALHOST.into()),
        address => address.parse().ok(),
    }
}

fn validate_one(violations: &mut Violations, field: &str, outbound: &Outbound) {
    fields::port(violations, format!("{field}.port"), outbound.port);
    if address(outbound).is_none() {
        violations.add(format!("{field}.address"), "address has to be valid IP address");
    }
    let Some(reference) = &outbound.backend_ref else {
        tags::of_service(violations, &format!("{field}.tags"), &outbound.tags, Values::OWN);
        return;
    };
    let field = format!("{field}.backendRef");
    validate_reference(violations, &field, reference);
    if !outbound.tags.is_empty() {
        violations.add(field, "both backendRef and tags/service cannot be defined");
    }
}

fn validate_reference(violations: &mut Violations, field: &str, reference: &BackendRef) {
    if !BACKEND_KINDS.contains(&&*reference.kind) {
        violations.add(format!("{field}.kind"), unknown_kind());
    }
    if reference.name.is_empty() && reference.labels.is_empty() {
        violations.add(field, "either 'name' or 'labels' should be specified");
    }
    // The port of an external service is that of its endpoints.
    if reference.kind != "MeshExternalService" {
        fields::port(violations, format!("{field}.port"), reference.port);
    }
}

/// Why a kind is refused.
pub(super) fn unknown_kind() -> String {
    format!("invalid value. Available values are: {}", BACKEND_KINDS.join(","))
}
