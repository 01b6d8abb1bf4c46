//! What a Mesh must fulfil. The names of fields in paths are Kuma's: `config` is what is written `conf`.

mod logging;
mod metrics;
#[cfg(test)]
mod tests;
mod tracing;

use std::collections::HashSet;

use bytes::Bytes;
use prost::Message;
use serde::de::DeserializeOwned;

use crate::{
    json,
    proto::{
        mesh::{
            CertificateAuthorityBackend, Mesh,
            mesh::{DataplaneProxyConstraints, Mtls},
        },
        well_known::Struct,
    },
    validation::{
        Violations,
        tags::{self, Wanted},
    },
};

/// Units of the lifetime of certificates.
const UNITS: [&str; 7] = ["ms", "y", "w", "d", "h", "m", "s"];

/// All that is wrong, in the order of the fields.
pub(super) fn validate(spec: &Bytes) -> Violations {
    let mut violations = Violations::default();
    let Ok(mesh) = Mesh::decode(spec.clone()) else { return violations };
    if let Some(mtls) = &mesh.mtls {
        validate_mtls(&mut violations, mtls);
    }
    if let Some(logging) = &mesh.logging {
        logging::validate(&mut violations, logging);
    }
    if let Some(tracing) = &mesh.tracing {
        tracing::validate(&mut violations, tracing);
    }
    if let Some(metrics) = &mesh.metrics {
        metrics::validate(&mut violations, metrics);
    }
    if let Some(proxies) = mesh.constraints.and_then(|constraints| constraints.dataplane_proxy) {
        validate_constraints(&mut violations, &proxies);
    }
    let egress = mesh.routing.is_some_and(|routing| routing.zone_egress);
    if egress && mesh.mtls.is_none_or(|mtls| mtls.enabled_backend.is_empty()) {
        violations.add("mtls", "has to be set when zoneEgress enabled");
    }
    violations
}

fn validate_mtls(violations: &mut Violations, mtls: &Mtls) {
    if mtls.backends.len() > 1 {
        violations.add("mtls.backends", "cannot have more than 1 backends");
    }
    let mut names = Names::new("mtls");
    for (position, backend) in mtls.backends.iter().enumerate() {
        names.take(violations, position, &backend.name);
        if !has_lifetime(backend) {
            violations.add("mtls.dpcert.rotation.expiration", "has to be a valid format");
        }
    }
    let reason = "has to be set to one of the backends in the mesh";
    names.choose(violations, "enabledBackend", &mtls.enabled_backend, reason);
}

/// Whether the certificates of proxies end some time, if anything is said about them.
fn has_lifetime(backend: &CertificateAuthorityBackend) -> bool {
    let Some(certificate) = &backend.dp_cert else { return true };
    let Some(rotation) = &certificate.rotation else { return false };
    let text = rotation.expiration.as_str();
    let number = UNITS.iter().find_map(|unit| text.strip_suffix(unit));
    let is_number = |number: &str| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    text == "0" || number.is_some_and(is_number)
}

fn validate_constraints(violations: &mut Violations, proxies: &DataplaneProxyConstraints) {
    for (list, rules) in
        [("requirements", &proxies.requirements), ("restrictions", &proxies.restrictions)]
    {
        for (position, rule) in rules.iter().enumerate() {
            let field = format!("constraints.dataplaneProxy.{list}[{position}].tags");
            tags::selector(violations, &field, &rule.tags, Wanted::Tags);
        }
    }
}

/// The names of the backends of one part of a mesh.
struct Names<'a> {
    part: &'static str,
    taken: HashSet<&'a str>,
}

impl<'a> Names<'a> {
    fn new(part: &'static str) -> Self {
        Self { part, taken: HashSet::new() }
    }

    fn take(&mut self, violations: &mut Violations, position: usize, name: &'a str) {
        if !self.taken.insert(name) {
            violations.add(
                format!("{}.backends[{position}].name", self.part),
                format!("{name:?} name is already used for another backend"),
            );
        }
    }

    fn choose(&self, violations: &mut Violations, field: &str, name: &str, reason: &str) {
        if !name.is_empty() && !self.taken.contains(name) {
            violations.add(format!("{}.{field}", self.part), reason);
        }
    }
}

/// The configuration of a backend, whose type says what it is.
fn config<T: Default + DeserializeOwned>(
    violations: &mut Violations,
    field: &str,
    conf: Option<&Struct>,
) -> Option<T> {
    let Some(conf) = conf else { return Some(T::default()) };
    let config = serde_json::to_value(conf).and_then(|mut value| {
        // All numbers of a `Struct` are floats, which no port takes.
        json::shorten_numbers(&mut value);
        serde_json::from_value(value)
    });
    config
        .map_err(|error| violations.add(field, format!("could not parse config: {error}")))
        .ok()
}
