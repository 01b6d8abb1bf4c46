//! From a document to what is written, or to everything that is wrong with it. Pure.

use bytes::Bytes;
use portolan_model::{Kind, Labels, ResourceKey, Scope, SpecError, Violations, validation};
use serde_json::Value;

use super::{
    advice, labels,
    meta::{self, Meta},
};
use crate::config::Role;

/// Longest name that a zone may give, together with the zone's name and a dot: the global must be able to
/// keep it under a longer one.
const LONGEST_IN_ZONE: usize = 252;

/// A resource as it will be written.
#[derive(Clone)]
pub(crate) struct Prepared {
    pub(crate) key: ResourceKey,
    pub(crate) labels: Labels,
    pub(crate) spec: Bytes,
    /// What its author should know, though it is taken.
    pub(crate) warnings: Vec<String>,
}

/// Why a document is not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It cannot be read as its kind.
    Unreadable(String),
    /// It can, but breaks rules.
    Invalid(Violations),
}

/// Where a request says that a resource belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address<'a> {
    pub(crate) kind: Kind,
    /// Empty for global-scoped kinds.
    pub(crate) mesh: &'a str,
    pub(crate) name: &'a str,
}

/// Reads and checks a document that was sent to an address of its own.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn addressed(
    role: &Role,
    address: Address<'_>,
    document: Value,
) -> Result<Prepared, Refusal> {
    let (meta, spec) = meta::split(document).map_err(|reason| unreadable(address.kind, &reason))?;
    let mut violations = Violations::default();
    if meta.name != address.name {
        violations.add("name", "name from the URL has to be the same as in body");
    }
    if meta.kind != address.kind.name() {
        violations.add("type", "type from the URL has to be the same as in body");
    }
    if address.kind.scope == Scope::Mesh && meta.mesh != address.mesh {
        violations.add("mesh", "mesh from the URL has to be the same as in body");
    }
    finish(role, address, meta, spec, violations)
}

/// Checks the parts of a document that says itself where it belongs.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn standalone(
    role: &Role,
    kind: Kind,
    meta: Meta,
    spec: Value,
) -> Result<Prepared, Refusal> {
    let (name, mesh) = (meta.name.clone(), meta.mesh.clone());
    let mesh = if kind.scope == Scope::Mesh {
        mesh.as_str()
    } else {
        ""
    };
    finish(
        role,
        Address {
            kind,
            mesh,
            name: &name,
        },
        meta,
        spec,
        Violations::default(),
    )
}

fn finish(
    role: &Role,
    address: Address<'_>,
    meta: Meta,
    spec: Value,
    mut violations: Violations,
) -> Result<Prepared, Refusal> {
    let Address { kind, mesh, name } = address;
    let mut spec = kind.spec_from_json(&spec).map_err(|error| match error {
        SpecError::Json { reason, .. } => unreadable(kind, &reason),
        wire @ SpecError::Wire { .. } => Refusal::Unreadable(wire.to_string()),
    })?;
    if let Role::Zone { name: zone } = role {
        spec = (kind.in_zone)(spec, zone);
        if zone.len() + ".".len() + name.len() > LONGEST_IN_ZONE {
            violations.add("name", "the length of the name must be shorter");
        }
    }
    violations
        .0
        .extend(labels::check(role, mesh, &meta.labels).0);
    violations.0.extend(validation::name(&meta.name).0);
    violations.0.extend((kind.validate)(&spec).0);
    if !violations.is_empty() {
        return Err(Refusal::Invalid(violations));
    }
    let derived = (kind.labels)(&spec);
    let mut warnings = labels::warnings(mesh, &meta.labels, &derived);
    warnings.extend(advice::of(kind).map(str::to_owned));
    Ok(Prepared {
        key: ResourceKey {
            kind,
            mesh: mesh.into(),
            name: name.into(),
        },
        warnings,
        labels: labels::complete(role, kind, mesh, meta.labels, derived),
        spec,
    })
}

fn unreadable(kind: Kind, reason: &str) -> Refusal {
    Refusal::Unreadable(format!("invalid {kind} object: {reason:?}"))
}
