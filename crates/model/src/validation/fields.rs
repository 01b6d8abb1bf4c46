//! Rules that several kinds share. The reasons are Kuma's, so that scripts which read them go on working.

use std::net::IpAddr;

use super::Violations;
use crate::{
    hostname::Hostname,
    proto::mesh::Selector,
    tags::{ANY, PROTOCOL, SERVICE, Tags},
};

/// What services may speak.
const PROTOCOLS: [&str; 5] = ["grpc", "http", "http2", "kafka", "tcp"];

/// A TCP port.
pub(crate) fn port(violations: &mut Violations, field: String, port: u32) {
    if !(1..=65535).contains(&port) {
        violations.add(field, "port must be in the range [1, 65535]");
    }
}

/// Names and values of tags; `any` allows `*` as a value.
pub(crate) fn tags(violations: &mut Violations, field: &str, tags: &Tags, any: bool) {
    const CHARACTERS: &str =
        "must consist of alphanumeric characters, dots, dashes, slashes and underscores";
    for (name, value) in tags {
        if name.is_empty() {
            violations.add(field, "tag name must be non-empty");
            continue;
        }
        let place = key(field, name);
        if !is_tag_text(name) {
            violations.add(place.clone(), format!("tag name {CHARACTERS}"));
        }
        if value.is_empty() {
            violations.add(place, "tag value must be non-empty");
        } else if !(any && value == ANY || is_tag_text(value)) {
            violations.add(place, format!("tag value {CHARACTERS}"));
        }
    }
}

fn is_tag_text(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || "-._/:".contains(c))
}

/// Tags that must name their service.
pub(crate) fn tags_of_service(violations: &mut Violations, field: &str, given: &Tags, any: bool) {
    tags(violations, field, given, any);
    if !given.contains_key(SERVICE) {
        violations.add(field, format!("mandatory tag {SERVICE:?} is missing"));
    }
}

/// Tags that must not name a service: it comes from the Dataplane.
pub(crate) fn tags_without_service(violations: &mut Violations, field: &str, given: &Tags) {
    tags(violations, field, given, false);
    if given.contains_key(SERVICE) {
        violations.add(
            key(field, SERVICE),
            format!("tag name must not be {SERVICE:?}"),
        );
    }
}

/// A protocol tag, if there is one.
pub(crate) fn protocol(violations: &mut Violations, field: &str, given: &Tags) {
    if let Some(value) = given.get(PROTOCOL)
        && !PROTOCOLS.contains(&value.as_str())
    {
        let allowed = PROTOCOLS.join(", ");
        violations.add(
            key(field, PROTOCOL),
            format!("tag {PROTOCOL:?} has an invalid value {value:?}. Allowed values: {allowed}"),
        );
    }
}

/// The selectors of a gateway resource.
pub(crate) fn selectors(violations: &mut Violations, selectors: &[Selector]) {
    if selectors.is_empty() {
        violations.add("selectors", "must have at least one element");
    }
    for (position, selector) in selectors.iter().enumerate() {
        let field = format!("selectors[{position}].match");
        tags_of_service(violations, &field, &selector.r#match, true);
    }
}

/// The address of a Dataplane.
pub(crate) fn address(violations: &mut Violations, field: &str, address: &str) {
    if address.is_empty() {
        violations.add(field, "address can't be empty");
        return;
    }
    if address == "0.0.0.0" || address == "::" {
        violations.add(field, "must not be 0.0.0.0 or ::");
    }
    let is_name = matches!(Hostname::parse(address), Ok(Hostname::Exact(_)));
    if address.parse::<IpAddr>().is_err() && !is_name {
        violations.add(field, "address has to be valid IP address or domain name");
    }
}

/// A regular expression in RE2's syntax, which Envoy speaks.
pub(crate) fn regex(violations: &mut Violations, field: String, expression: &str) {
    if let Err(error) = regex::Regex::new(expression) {
        let reason = error.to_string();
        let last = reason
            .lines()
            .last()
            .unwrap_or_default()
            .trim_start_matches("error: ");
        violations.add(
            field,
            format!("is not a regular expression that Envoy takes: {last}"),
        );
    }
}

/// A path to one key of a map, as in `tags["kuma.io/service"]`.
pub(crate) fn key(field: &str, key: &str) -> String {
    format!("{field}[{key:?}]")
}
