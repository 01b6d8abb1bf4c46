//! What an ExternalService must fulfil.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use bytes::Bytes;
use prost::Message;

use crate::{
    certificate,
    proto::mesh::{
        ExternalService,
        external_service::{Networking, networking::Tls},
    },
    tags::SERVICE,
    validation::{
        Violations, fields, sources,
        tags::{self, Values},
    },
};

/// All that is wrong, in the order of the fields.
pub(super) fn validate(spec: &Bytes) -> Violations {
    let mut violations = Violations::default();
    let Ok(service) = ExternalService::decode(spec.clone()) else { return violations };
    match &service.networking {
        None => violations.add("networking", "should have networking"),
        Some(networking) => validate_networking(&mut violations, networking),
    }
    tags::protocol(&mut violations, "tags", &service.tags);
    tags::of_service(&mut violations, "tags", &service.tags, Values::OWN);
    let networking = service.networking.unwrap_or_default();
    let host = fields::host_and_port(&networking.address).map(|(host, _)| host);
    if host.is_some() && host == service.tags.get(SERVICE).map(String::as_str) {
        violations.add(fields::key("tags", SERVICE), "cannot be the same as networking.address");
    }
    violations
}

fn validate_networking(violations: &mut Violations, networking: &Networking) {
    validate_address(violations, &networking.address);
    if let Some(tls) = &networking.tls {
        validate_tls(violations, tls);
    }
}

fn validate_address(violations: &mut Violations, address: &str) {
    const FIELD: &str = "networking.address";
    if address.is_empty() {
        violations.add(FIELD, "address can't be empty");
        return;
    }
    let (host, port) = fields::host_and_port(address).unwrap_or_else(|| {
        violations.add(FIELD, "unable to parse address");
        ("", "")
    });
    if host.parse::<IpAddr>().is_err() && !fields::is_dns_name(host) {
        violations.add(FIELD, "address has to be a valid IP address or a domain name");
    }
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse::<u32>().ok().filter(|_| digits);
    if port.is_none() {
        violations.add(FIELD, "unable to parse port in address");
    }
    fields::port(violations, FIELD.to_owned(), port.unwrap_or_default());
}

fn validate_tls(violations: &mut Violations, tls: &Tls) {
    let field = |name: &str| format!("networking.tls.{name}");
    if tls.server_name.as_ref().is_some_and(|name| name.value.is_empty()) {
        violations.add(field("serverName"), "cannot be empty");
    }
    let certificates =
        |text: &[u8]| certificate::check_certificates(text).map_err(|error| error.to_string());
    let key = |text: &[u8]| certificate::check_key(text).map_err(|error| error.to_string());
    if let Some(source) = &tls.ca_cert {
        sources::data_source(violations, field("caCert"), source, certificates);
    }
    if let Some(source) = &tls.client_cert {
        sources::data_source(violations, field("clientCert"), source, certificates);
    }
    if let Some(source) = &tls.client_key {
        sources::data_source(violations, field("clientKey"), source, key);
    }
    // Envoy takes both or none.
    match (&tls.client_cert, &tls.client_key) {
        (Some(_), None) => violations.add(field("clientKey"), "is needed beside clientCert"),
        (None, Some(_)) => violations.add(field("clientCert"), "is needed beside clientKey"),
        _ => {}
    }
}
