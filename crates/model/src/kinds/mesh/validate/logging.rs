//! Where access logs go.

use super::{Names, config};
use crate::{
    proto::mesh::{
        FileLoggingBackendConfig, Logging, LoggingBackend, TcpLoggingBackendConfig,
    },
    validation::{Violations, fields},
};

/// All that is wrong with it.
pub(super) fn validate(violations: &mut Violations, logging: &Logging) {
    let mut names = Names::new("logging");
    for (position, backend) in logging.backends.iter().enumerate() {
        validate_backend(violations, &format!("logging.backends[{position}]"), backend);
        names.take(violations, position, &backend.name);
    }
    let reason = "has to be set to one of the logging backend in mesh";
    names.choose(violations, "defaultBackend", &logging.default_backend, reason);
}

fn validate_backend(violations: &mut Violations, field: &str, backend: &LoggingBackend) {
    if backend.name.is_empty() {
        violations.add(format!("{field}.name"), "cannot be empty");
    }
    let config_field = format!("{field}.config");
    let conf = backend.conf.as_ref();
    match backend.r#type.as_str() {
        "file" => {
            let file: Option<FileLoggingBackendConfig> = config(violations, &config_field, conf);
            if file.is_some_and(|file| file.path.is_empty()) {
                violations.add(format!("{config_field}.path"), "cannot be empty");
            }
        }
        "tcp" => {
            let tcp: Option<TcpLoggingBackendConfig> = config(violations, &config_field, conf);
            if let Some(tcp) = tcp {
                validate_address(violations, format!("{config_field}.address"), &tcp.address);
            }
        }
        _ => violations.add(
            format!("{field}.type"),
            r#"unknown backend type. Available backends: "tcp", "file""#,
        ),
    }
}

fn validate_address(violations: &mut Violations, field: String, address: &str) {
    if address.is_empty() {
        violations.add(field, "cannot be empty");
        return;
    }
    let usable = fields::host_and_port(address).is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    if !usable {
        violations.add(field, "has to be in format of HOST:PORT");
    }
}
