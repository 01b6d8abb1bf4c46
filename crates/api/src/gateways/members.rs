//! Members of a mesh, which charts keep as instances of services alone: read anew for each question.

use std::sync::Arc;

use portolan_gateway::plan::member::{Inbound, Member};
use portolan_model::{ResourceKey, kinds, labels};
use portolan_store::Snapshot;
use serde_json::{Value, json};

use crate::config::Role;

/// The members of a mesh, by the names of their Dataplanes.
pub(super) fn of_mesh<'a>(
    snapshot: &'a Snapshot,
    role: &'a Role,
    mesh: &'a str,
) -> impl Iterator<Item = (&'a Arc<str>, Member)> {
    let dataplanes = snapshot.list(kinds::DATAPLANE, Some(mesh));
    dataplanes.filter_map(|resource| {
        let zone = resource.labels.get(labels::ZONE);
        let member = Member::read(resource, zone.map_or(super::here(role), String::as_str))?;
        Some((&resource.key.name, member))
    })
}

/// The member whose Dataplane this is.
pub(super) fn one(snapshot: &Snapshot, role: &Role, dataplane: &ResourceKey) -> Option<Member> {
    let resource = snapshot.get(dataplane)?;
    let zone = resource.labels.get(labels::ZONE);
    Member::read(resource, zone.map_or(super::here(role), String::as_str))
}

/// What a policy is attached to at an inbound, in Kuma's words: `ADDRESS:PORT:PORT OF THE APPLICATION`.
pub(super) fn attachment(inbound: &Inbound) -> Value {
    let name = format!("{}:{}", inbound.at, inbound.application.port());
    json!({ "type": "inbound", "name": name, "service": inbound.service() })
}
