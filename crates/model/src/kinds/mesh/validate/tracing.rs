//! Where traces go.

use super::{Names, config};
use crate::{
    proto::mesh::{
        DatadogTracingBackendConfig, Tracing, TracingBackend, ZipkinTracingBackendConfig,
    },
    validation::{Violations, fields},
};

/// What Zipkin's collectors take.
const ZIPKIN_VERSIONS: [&str; 3] = ["httpJsonV1", "httpJson", "httpProto"];

/// All that is wrong with it.
pub(super) fn validate(violations: &mut Violations, tracing: &Tracing) {
    let mut names = Names::new("tracing");
    for (position, backend) in tracing.backends.iter().enumerate() {
        validate_backend(violations, &format!("tracing.backends[{position}]"), backend);
        names.take(violations, position, &backend.name);
    }
    let reason = "has to be set to one of the tracing backend in mesh";
    names.choose(violations, "defaultBackend", &tracing.default_backend, reason);
}

fn validate_backend(violations: &mut Violations, field: &str, backend: &TracingBackend) {
    if backend.name.is_empty() {
        violations.add(format!("{field}.name"), "cannot be empty");
    }
    let sampling = backend.sampling.as_ref();
    if sampling.is_some_and(|sampling| !(0.0..=100.0).contains(&sampling.value)) {
        violations.add(format!("{field}.sampling"), "has to be in [0.0 - 100.0] range");
    }
    let config_field = format!("{field}.config");
    let conf = backend.conf.as_ref();
    match backend.r#type.as_str() {
        "zipkin" => {
            if let Some(zipkin) = config(violations, &config_field, conf) {
                validate_zipkin(violations, &config_field, &zipkin);
            }
        }
        "datadog" => {
            if let Some(datadog) = config(violations, &config_field, conf) {
                validate_datadog(violations, &config_field, &datadog);
            }
        }
        _ => violations.add(
            format!("{field}.type"),
            r#"unknown backend type. Available backends: "zipkin", "datadog""#,
        ),
    }
}

fn validate_datadog(
    violations: &mut Violations,
    field: &str,
    datadog: &DatadogTracingBackendConfig,
) {
    if datadog.address.is_empty() {
        violations.add(format!("{field}.address"), "cannot be empty");
    }
    fields::port(violations, format!("{field}.port"), datadog.port);
}

fn validate_zipkin(
    violations: &mut Violations,
    field: &str,
    zipkin: &ZipkinTracingBackendConfig,
) {
    let version = zipkin.api_version.as_str();
    if !version.is_empty() && !ZIPKIN_VERSIONS.contains(&version) {
        let allowed = ZIPKIN_VERSIONS.join(", ");
        violations.add(
            format!("{field}.apiVersion"),
            format!("has invalid value. Allowed values: {allowed}"),
        );
    }
    let field = format!("{field}.url");
    if zipkin.url.is_empty() {
        violations.add(field, "cannot be empty");
        return;
    }
    match authority(&zipkin.url).map(fields::host_and_port) {
        None => violations.add(field, "invalid URL"),
        Some(None | Some((_, ""))) => {
            violations.add(field, "port has to be explicitly specified");
        }
        Some(Some((host, port))) => {
            if host.is_empty() || port.parse::<u16>().ok().is_none_or(|port| port == 0) {
                violations.add(field, "invalid URL");
            }
        }
    }
}

/// The part of a URL with host and port.
fn authority(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let is_authority = !rest.contains(|c: char| c.is_whitespace() || c.is_control());
    (is_scheme && is_authority).then(|| rest.rsplit_once('@').map_or(rest, |(_, host)| host))
}
