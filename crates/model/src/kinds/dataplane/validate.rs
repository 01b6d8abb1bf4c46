//! What a Dataplane must fulfil.

use std::net::IpAddr;

use bytes::Bytes;
use prost::Message;

use crate::{
    proto::mesh::{
        Dataplane,
        dataplane::{
            Networking,
            networking::{Inbound, Outbound, gateway::GatewayType},
        },
    },
    tags::SERVICE,
    validation::{Violations, fields},
};

/// All that is wrong, in the order of the fields.
pub(super) fn validate(spec: &Bytes) -> Violations {
    let mut violations = Violations::default();
    let Ok(dataplane) = Dataplane::decode(spec.clone()) else { return violations };
    let Some(networking) = &dataplane.networking else {
        violations.add("networking", "must be defined");
        return violations;
    };
    if let Some(gateway) = &networking.gateway {
        let builtin = gateway.r#type() == GatewayType::Builtin;
        refuse_parts(&mut violations, networking, builtin);
        if builtin && dataplane.probes.is_some() {
            violations.add("networking.probes", "probes cannot be defined for builtin gateways");
        }
        fields::tags_of_service(&mut violations, "networking.gateway.tags", &gateway.tags, false);
        fields::protocol(&mut violations, "networking.gateway.tags", &gateway.tags);
    }
    validate_networking(&mut violations, networking);
    violations
}

/// What gateways cannot have.
fn refuse_parts(violations: &mut Violations, networking: &Networking, builtin: bool) {
    let gateways = if builtin { "builtin gateways" } else { "delegated gateways" };
    if !networking.inbound.is_empty() {
        violations.add("networking.inbound", format!("inbound cannot be defined for {gateways}"));
    }
    if builtin && !networking.outbound.is_empty() {
        violations.add("networking.outbound", format!("outbound cannot be defined for {gateways}"));
    }
    if !networking.listeners.is_empty() {
        violations
            .add("networking.listeners", format!("listeners cannot be defined for {gateways}"));
    }
}

fn validate_networking(violations: &mut Violations, networking: &Networking) {
    fields::address(violations, "networking.address", &networking.address);
    for (position, inbound) in networking.inbound.iter().enumerate() {
        let field = format!("networking.inbound[{position}]");
        validate_inbound(violations, &field, inbound, &networking.address);
    }
    for (position, outbound) in networking.outbound.iter().enumerate() {
        validate_outbound(violations, &format!("networking.outbound[{position}]"), outbound);
    }
}

fn validate_inbound(
    violations: &mut Violations,
    field: &str,
    inbound: &Inbound,
    dataplane_address: &str,
) {
    fields::port(violations, format!("{field}.port"), inbound.port);
    if inbound.service_port != 0 {
        fields::port(violations, format!("{field}.servicePort"), inbound.service_port);
    }
    let no_ip = |address: &str| !address.is_empty() && address.parse::<IpAddr>().is_err();
    if no_ip(&inbound.service_address) {
        violations.add(
            format!("{field}.serviceAddress"),
            "serviceAddress has to be valid IP address",
        );
    }
    if no_ip(&inbound.address) {
        violations.add(format!("{field}.address"), "address has to be valid IP address");
    }
    let own = if inbound.address.is_empty() { dataplane_address } else { &inbound.address };
    let same_port = [0, inbound.port].contains(&inbound.service_port);
    if !inbound.service_address.is_empty() && inbound.service_address == own && same_port {
        violations.add(
            format!("{field}.serviceAddress"),
            "serviceAddress and servicePort has to differ from address and port",
        );
    }
    let tags = format!("{field}.tags");
    fields::tags(violations, &tags, &inbound.tags, false);
    fields::protocol(violations, &tags, &inbound.tags);
    if !inbound.tags.is_empty() && !inbound.tags.contains_key(SERVICE) {
        violations.add(fields::key(&tags, SERVICE), "tag has to exist");
    }
}

fn validate_outbound(violations: &mut Violations, field: &str, outbound: &Outbound) {
    fields::port(violations, format!("{field}.port"), outbound.port);
    if !outbound.address.is_empty() && outbound.address.parse::<IpAddr>().is_err() {
        violations.add(format!("{field}.address"), "address has to be valid IP address");
    }
    match &outbound.backend_ref {
        Some(_) if !outbound.tags.is_empty() => violations
            .add(format!("{field}.backendRef"), "both backendRef and tags/service cannot be defined"),
        Some(_) => {}
        None => {
            fields::tags_of_service(violations, &format!("{field}.tags"), &outbound.tags, false);
        }
    }
}
