//! Refusals of writes as problems.

use http::{HeaderMap, HeaderName, StatusCode, header};
use portolan_model::{Kind, ResourceKey, Scope, Violations, kinds};
use portolan_store::{Expect, Snapshot, StoreError};

use super::prepare::Refusal;
use crate::{config::Role, problem::Problem};

/// Seconds after which a client should try again when the store is away.
const RETRY_AFTER_SECONDS: u32 = 1;

const READ_ONLY_ON_GLOBAL: &str = "On global control plane you can not modify dataplane resources with \
    'kumactl apply' or via the HTTP API. You can still use 'kumactl' or the HTTP API to modify them on \
    the zone control plane.\n";
const READ_ONLY_IN_ZONE: &str = "On zone control plane you can only modify zone resources with \
    'kumactl apply' or via the HTTP API. You can still use 'kumactl' or the HTTP API to modify the rest \
    of the resource on the global control plane.\n";

/// Whether the resource is written elsewhere; then what Kuma says to that.
pub(super) fn read_only(role: &Role, kind: Kind, name: &str) -> Option<&'static str> {
    if role.keeps(kind, name) {
        return None;
    }
    Some(match role {
        Role::Global => READ_ONLY_ON_GLOBAL,
        Role::Zone { .. } => READ_ONLY_IN_ZONE,
    })
}

/// 405 when the resource is written elsewhere.
pub(super) fn check_writable(role: &Role, kind: Kind, name: &str) -> Result<(), Problem> {
    match read_only(role, kind, name) {
        None => Ok(()),
        Some(detail) => Err(Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "Method not allowed",
            detail,
        )),
    }
}

/// 404 when the mesh of a mesh-scoped kind does not exist.
pub(crate) fn check_mesh(snapshot: &Snapshot, kind: Kind, mesh: &str) -> Result<(), Problem> {
    let missing = kind.scope == Scope::Mesh
        && snapshot
            .get(&ResourceKey::global(kinds::MESH, mesh))
            .is_none();
    if missing {
        Err(Problem::not_found("Failed to retrieve Mesh"))
    } else {
        Ok(())
    }
}

/// The optimistic lock that a request asks for: `If-Match: "<version>"`, `If-Match: *` or
/// `If-None-Match: *`.
pub(super) fn expectation(headers: &HeaderMap) -> Result<Expect, Problem> {
    let value = |name: &HeaderName| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or_default().trim())
    };
    if let Some(tag) = value(&header::IF_MATCH) {
        if tag == "*" {
            return Ok(Expect::Present);
        }
        return tag
            .trim_matches('"')
            .parse()
            .map(Expect::Version)
            .map_err(|_| {
                let detail = "If-Match: give the version of the ETag that GET answered, or *";
                Problem::bad_request(detail)
            });
    }
    match value(&header::IF_NONE_MATCH) {
        None => Ok(Expect::Any),
        Some("*") => Ok(Expect::Absent),
        Some(_) => Err(Problem::bad_request(
            "If-None-Match: only * can be given for a write",
        )),
    }
}

/// A document that was refused; the title tells what was tried.
pub(super) fn of_document(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Unreadable(detail) => Problem::bad_request(detail),
        Refusal::Invalid(violations) => {
            Problem::invalid("Could not process a resource", violations)
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict {
                key,
                expected,
                found,
            } => {
                let detail = conflict(&key, expected, found);
                Self::new(StatusCode::CONFLICT, "Conflict", detail)
            }
            StoreError::Missing { key } if key.kind == kinds::MESH => {
                Self::not_found("Failed to retrieve Mesh")
            }
            StoreError::Missing { .. } => Self::not_found("Could not process a resource"),
            StoreError::InTheWay { .. } => dataplanes_attached(),
            StoreError::Unavailable(_) | StoreError::Unknown(_) => {
                Self::unavailable(error.to_string(), RETRY_AFTER_SECONDS)
            }
        }
    }
}

/// Only the deletion of a mesh asks for the absence of resources, namely of Dataplanes.
fn dataplanes_attached() -> Problem {
    let mut violations = Violations::default();
    violations.add(
        "mesh",
        "unable to delete mesh, there are still some dataplanes attached",
    );
    Problem::invalid("Could not delete a resource", violations)
}

fn conflict(key: &ResourceKey, expected: Expect, found: Option<u64>) -> String {
    let is = match found {
        Some(version) => format!("{key} has version {version}"),
        None => format!("{key} does not exist"),
    };
    let wanted = match expected {
        Expect::Version(version) => format!("and not version {version}"),
        Expect::Absent => "but must not exist".to_owned(),
        Expect::Present => "but must exist".to_owned(),
        Expect::Any => "and was written by others at the same time".to_owned(),
    };
    format!("{is} {wanted}: read it again and retry")
}
