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

use super::mtls;
use crate::{
    json,
    proto::{
        mesh::{
            Mesh,
            mesh::{DataplaneProxyConstraints, Mtls},
        },
        well_known::Struct,
    },
    validation::{
        Violations,
        tags::{self, Wanted},
    },
};

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
    let mut names = Names::new("mtls");
    for (position, backend) in mtls.backends.iter().enumerate() {
        names.take(violations, position, &backend.name);
        let field = format!("mtls.backends[{position}]");
        if let Err(found) = mtls::read(backend, &field) {
            let skipped = |field: &str| mtls.skip_validation && field.contains("].conf");
            violations.0.extend(found.0.into_iter().filter(|one| !skipped(&one.field)));
        }
    }
    let reason = "has to be set to one of the backends in the mesh";
    names.choose(violations, "enabledBackend", &mtls.enabled_backend, reason);
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
