//! What a Dataplane must fulfil.

mod outbound;
mod probes;
#[cfg(test)]
mod tests;
mod transparent;

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use prost::Message;

use crate::{
    proto::mesh::{
        Dataplane,
        dataplane::{
            Networking,
            networking::{Inbound, gateway::GatewayType},
        },
    },
    tags::{PROTOCOL, SERVICE, Tags},
    validation::{
        Violations, fields,
        tags::{self, Values},
    },
};

/// All that is wrong, in the order of the fields.
pub(super) fn validate(spec: &Bytes) -> Violations {
    let mut violations = Violations::default();
    let Ok(dataplane) = Dataplane::decode(spec.clone()) else { return violations };
    let Some(networking) = &dataplane.networking else {
        violations.add("networking", "must be defined");
        return violations;
    };
    validate_admin(&mut violations, networking);
    let mut builtin = false;
    if let Some(gateway) = &networking.gateway {
        builtin = gateway.r#type() == GatewayType::Builtin;
        refuse_parts(&mut violations, networking, builtin);
        if builtin && dataplane.probes.is_some() {
            violations.add("networking.probes", "probes cannot be defined for builtin gateways");
        }
        validate_gateway_tags(&mut violations, &gateway.tags);
    }
    validate_networking(&mut violations, networking);
    if let Some(probes) = dataplane.probes.as_ref().filter(|_| !builtin) {
        probes::validate(&mut violations, probes);
    }
    violations
}

/// Envoy's admin port on loopback must be nobody else's.
fn validate_admin(violations: &mut Violations, networking: &Networking) {
    let Some(admin) = &networking.admin else { return };
    let on_loopback =
        |address: IpAddr| address == IpAddr::from(Ipv4Addr::LOCALHOST) || address.is_unspecified();
    let is_inbound = networking.inbound.iter().any(|inbound| {
        let own = if inbound.address.is_empty() { &networking.address } else { &inbound.address };
        let service_port =
            if inbound.service_port == 0 { inbound.port } else { inbound.service_port };
        let service =
            if inbound.service_address.is_empty() { own } else { &inbound.service_address };
        (inbound.port == admin.port && own.parse().is_ok_and(on_loopback))
            || (service_port == admin.port && service.parse().is_ok_and(on_loopback))
    });
    let is_outbound = networking.outbound.iter().any(|outbound| {
        outbound.port == admin.port && outbound::address(outbound).is_some_and(on_loopback)
    });
    for (taken, by) in [(is_inbound, "inbound"), (is_outbound, "outbound")] {
        if taken {
            violations.add("networking.admin.port", format!("must differ from {by}"));
        }
    }
}

/// A gateway without any tags is known by its name alone.
fn validate_gateway_tags(violations: &mut Violations, given: &Tags) {
    const FIELD: &str = "networking.gateway.tags";
    if given.is_empty() {
        return;
    }
    tags::of_service(violations, FIELD, given, Values::OWN);
    if let Some(value) = given.get(PROTOCOL).filter(|value| !value.eq_ignore_ascii_case("tcp")) {
        violations.add(
            fields::key(FIELD, PROTOCOL),
            format!("other values than tcp are not allowed, provided value {value:?}"),
        );
    }
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
    outbound::validate(violations, &networking.outbound);
    if let Some(transparent) = &networking.transparent_proxying {
        transparent::validate(violations, transparent);
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
    let protocol_field = format!("{field}.protocol");
    let field = format!("{field}.tags");
    tags::tags(violations, &field, &inbound.tags, Values::OWN);
    tags::protocol(violations, &field, &inbound.tags);
    tags::own_protocol(violations, protocol_field, &inbound.protocol);
    if !inbound.tags.is_empty() && !inbound.tags.contains_key(SERVICE) {
        violations.add(fields::key(&field, SERVICE), "tag has to exist");
    }
}
