//! Rules that several kinds share. The reasons are Kuma's, so that scripts which read them go on working.

use std::net::IpAddr;

use super::Violations;
use crate::hostname::Hostname;

/// A TCP port.
pub(crate) fn port(violations: &mut Violations, field: String, port: u32) {
    if !(1..=65535).contains(&port) {
        violations.add(field, "port must be in the range [1, 65535]");
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

/// A name as resolvers take them: with underscores, and perhaps with a dot at the end.
pub(crate) fn is_dns_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    name.len() <= 253
        && name
            .strip_suffix('.')
            .unwrap_or(name)
            .split('.')
            .all(is_label)
}

/// Host and port of `HOST:PORT`; IPv6 addresses stand in brackets.
pub(crate) fn host_and_port(address: &str) -> Option<(&str, &str)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(host) => host.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    if host.contains(['[', ']']) || port.contains(['[', ']']) {
        None
    } else {
        Some((host, port))
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
