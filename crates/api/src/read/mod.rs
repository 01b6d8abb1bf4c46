//! Reading resources: one, or a page of those that a filter takes.

pub(crate) mod filter;
pub(crate) mod keys;
pub(crate) mod list;
pub(crate) mod one;
mod overview;
pub(crate) mod page;

use http::StatusCode;
use portolan_access::User;
use portolan_model::{Kind, Resource, ResourceKey, SpecError, json};
use portolan_store::Snapshot;
use serde_json::Value;

use crate::problem::Problem;

pub(crate) use overview::insight_of;

/// In which form a resource is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum View {
    /// As it was written.
    Resource,
    /// Together with the insight of the same name, of this kind.
    Overview(Kind),
}

impl View {
    /// The resource in this form, for this user.
    pub(crate) fn show(
        self,
        snapshot: &Snapshot,
        resource: &Resource,
        user: &User,
    ) -> Result<Value, Problem> {
        match self {
            Self::Resource => shown(resource, user),
            Self::Overview(insight) => overview::to_json(snapshot, resource, insight),
        }
        .map_err(unreadable)
    }
}

/// A resource as this user may see it.
///
/// # Errors
/// When the stored spec is not readable.
pub(crate) fn shown(resource: &Resource, user: &User) -> Result<Value, SpecError> {
    let mut shown = json::to_json(resource)?;
    if !user.is_admin() {
        keys::hide(resource.key.kind, &mut shown);
    }
    Ok(shown)
}

/// The store holds something that this version cannot decode.
pub(crate) fn unreadable(error: SpecError) -> Problem {
    let title = "Could not retrieve resources";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, title, error.to_string())
}

/// A key from the parts of a path.
pub(crate) fn key(kind: Kind, mesh: &str, name: &str) -> ResourceKey {
    ResourceKey {
        kind,
        mesh: mesh.into(),
        name: name.into(),
    }
}
