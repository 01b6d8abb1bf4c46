//! What a MeshGateway must fulfil.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;

use crate::{
    certificate::Bundle,
    hostname::Hostname,
    proto::{
        mesh::{
            MeshGateway,
            mesh_gateway::{Listener, listener::Protocol, tls::Mode},
        },
        system::{DataSource, data_source::Type},
    },
    validation::{
        Violations, fields,
        tags::{self, Wanted},
    },
};

/// Most certificates of a listener: one for each type of key.
const MAX_CERTIFICATES: usize = 2;

/// All that is wrong, in the order of the fields.
pub(super) fn validate(spec: &Bytes) -> Violations {
    let mut violations = Violations::default();
    let Ok(gateway) = MeshGateway::decode(spec.clone()) else { return violations };
    tags::selectors(&mut violations, "selectors", &gateway.selectors, Wanted::Service);
    let listeners = gateway.conf.iter().flat_map(|conf| &conf.listeners);
    if listeners.into_iter().any(|listener| listener.cross_mesh) {
        // Members of other meshes ask for it by the one service that it is.
        for position in 1..gateway.selectors.len() {
            violations.add(
                format!("selectors[{position}]"),
                "there can be at most one selector",
            );
        }
    }
    tags::without_service(&mut violations, "tags", &gateway.tags);
    let Some(conf) = &gateway.conf else {
        violations.add("conf", "cannot be empty");
        return violations;
    };
    if conf.listeners.is_empty() {
        violations.add("conf.listeners", "cannot be empty");
    }
    for (position, listener) in conf.listeners.iter().enumerate() {
        validate_listener(&mut violations, &format!("conf.listeners[{position}]"), listener);
    }
    if violations.is_empty() {
        validate_ports(&mut violations, &conf.listeners);
    }
    violations
}

fn validate_listener(violations: &mut Violations, field: &str, listener: &Listener) {
    fields::port(violations, format!("{field}.port"), listener.port);
    if Hostname::parse(&listener.hostname).is_err() {
        violations.add(format!("{field}.hostname"), "invalid hostname");
    }
    match listener.protocol() {
        Protocol::None => violations.add(format!("{field}.protocol"), "cannot be empty"),
        _ if listener.cross_mesh => validate_cross_mesh(violations, field, listener),
        Protocol::Https | Protocol::Tls => validate_tls(violations, field, listener),
        Protocol::Http | Protocol::Tcp => {}
    }
    tags::without_service(violations, &format!("{field}.tags"), &listener.tags);
}

/// It has the mesh's own TLS.
fn validate_cross_mesh(violations: &mut Violations, field: &str, listener: &Listener) {
    if listener.protocol() != Protocol::Http {
        violations.add(
            format!("{field}.protocol"),
            "protocol is not supported with crossMesh",
        );
    }
    let tls = listener.tls.as_ref();
    if tls.is_some_and(|tls| tls.mode() != Mode::None || !tls.certificates.is_empty()) {
        violations.add(format!("{field}.tls"), "must be empty with crossMesh");
    }
}

fn validate_tls(violations: &mut Violations, field: &str, listener: &Listener) {
    let Some(tls) = &listener.tls else {
        violations.add(format!("{field}.tls"), "cannot be empty");
        return;
    };
    match tls.mode() {
        Mode::None => violations.add(format!("{field}.tls.mode"), "cannot be empty"),
        Mode::Passthrough if listener.protocol() == Protocol::Https => {
            violations
                .add(format!("{field}.tls.mode"), "mode is not supported on HTTPS listeners");
        }
        Mode::Passthrough if !tls.certificates.is_empty() => violations.add(
            format!("{field}.tls.certificates"),
            "must be empty in TLS passthrough mode",
        ),
        Mode::Passthrough => {}
        Mode::Terminate if tls.certificates.is_empty() => violations.add(
            format!("{field}.tls.certificates"),
            "cannot be empty in TLS termination mode",
        ),
        Mode::Terminate if tls.certificates.len() > MAX_CERTIFICATES => violations.add(
            format!("{field}.tls.certificates"),
            format!("cannot have more than {MAX_CERTIFICATES} certificates"),
        ),
        Mode::Terminate => {
            for (position, source) in tls.certificates.iter().enumerate() {
                if let Err(reason) = validate_certificate(source) {
                    violations.add(format!("{field}.tls.certificates[{position}]"), reason);
                }
            }
        }
    }
}

/// Whether a Secret exists is not asked: it may come later. What stands here must be usable.
fn validate_certificate(source: &DataSource) -> Result<(), String> {
    let usable = |text: &[u8]| Bundle::parse(text).map(drop).map_err(|error| error.to_string());
    match &source.r#type {
        Some(Type::Secret(name)) if !name.is_empty() => Ok(()),
        Some(Type::Secret(_)) | None => Err("cannot be empty".to_owned()),
        Some(Type::File(_)) => Err("files are not read: put the certificate into a Secret".to_owned()),
        Some(Type::Inline(bytes)) => usable(&bytes.value),
        Some(Type::InlineString(text)) => usable(text.as_bytes()),
    }
}

/// Listeners of one port become one listener of Envoy: they must fit together.
fn validate_ports(violations: &mut Violations, listeners: &[Listener]) {
    let mut ports: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (position, listener) in listeners.iter().enumerate() {
        ports.entry(listener.port).or_default().push(position);
    }
    let first_of = |position: usize| &listeners[ports[&listeners[position].port][0]];
    let limit = |listener: &Listener| {
        listener.resources.as_ref().map_or(0, |resources| resources.connection_limit)
    };
    let conflicts = |differs: &dyn Fn(&Listener, &Listener) -> bool| -> Vec<usize> {
        let conflicting = ports.values().filter(|positions| {
            positions.iter().any(|position| differs(&listeners[*position], first_of(*position)))
        });
        conflicting.flatten().copied().collect()
    };
    for position in conflicts(&|a, b| a.cross_mesh != b.cross_mesh) {
        violations.add(
            format!("conf.listeners[{position}].crossMesh"),
            "conflicting values for this port",
        );
    }
    for position in conflicts(&|a, b| a.protocol != b.protocol) {
        violations.add(
            format!("conf.listeners[{position}]"),
            "protocol conflicts with other listeners on this port",
        );
    }
    for position in same_hostname(listeners, &ports) {
        violations.add(
            format!("conf.listeners[{position}]"),
            "multiple listeners for hostname on this port",
        );
    }
    for position in conflicts(&|a, b| limit(a) != limit(b)) {
        violations.add(
            format!("conf.listeners[{position}].resources.connectionLimit"),
            "conflicting values for this port",
        );
    }
}

fn same_hostname(listeners: &[Listener], ports: &BTreeMap<u32, Vec<usize>>) -> Vec<usize> {
    // Names in another case are the same; all can be read, or nobody would ask.
    let hostname = |position: usize| Hostname::parse(&listeners[position].hostname).ok();
    let mut same = Vec::new();
    for positions in ports.values() {
        let shared = |position: &&usize| {
            positions
                .iter()
                .any(|other| other != *position && hostname(*other) == hostname(**position))
        };
        same.extend(positions.iter().filter(shared));
    }
    same
}
