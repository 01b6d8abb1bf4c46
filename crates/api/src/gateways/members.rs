//! Members of a mesh, which charts keep as instances of services alone: read anew for each question.

use std::{collections::BTreeSet, sync::Arc};

use portolan_gateway::{
    chart::Chart,
    plan::{
        member::{Inbound, Member},
        policy::BySender,
    },
};
use portolan_model::{
    Kind, ResourceKey,
    kinds::{self, FAULT_INJECTION, RATE_LIMIT, TRAFFIC_PERMISSION},
    labels,
};
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

/// What an inbound gets: the TrafficPermission that decides who may connect, and what is done there with
/// requests.
pub(super) fn policies(chart: &Chart, mesh: &Arc<str>, inbound: &Inbound) -> BTreeSet<ResourceKey> {
    let permission = chart.externals().permissions().deciding(&inbound.tags);
    let permission = permission.map(|scope| (TRAFFIC_PERMISSION, scope.author.name()));
    let on = chart.policies().on_inbound(&inbound.tags);
    let limits = on.rate_limits.iter().map(|one| named(RATE_LIMIT, one));
    let faults = on.faults.iter().map(|one| named(FAULT_INJECTION, one));
    let all = permission.into_iter().chain(limits).chain(faults);
    all.map(|(kind, name)| ResourceKey::in_mesh(kind, mesh.clone(), name.clone()))
        .collect()
}

fn named<C>(kind: Kind, one: &BySender<C>) -> (Kind, &Arc<str>) {
    (kind, one.policy.scope.author.name())
}

/// What a policy is attached to at an inbound, in Kuma's words: `ADDRESS:PORT:PORT OF THE APPLICATION`.
pub(super) fn attachment(inbound: &Inbound) -> Value {
    let name = format!("{}:{}", inbound.at, inbound.application.port());
    json!({ "type": "inbound", "name": name, "service": inbound.service() })
}
