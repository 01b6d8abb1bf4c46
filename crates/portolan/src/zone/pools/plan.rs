//! What follows for pools and counts from what is wanted and who is there. No I/O; the time is an argument.

use std::collections::BTreeMap;

use portolan_identity::tokens::Proxy;
use portolan_model::tags;
use portolan_proto::status::{
    Assignment, MeshGatewayInstance, ScaledGateway, Share, pooled_instance::Phase,
};
use tokio::time::Instant;

use super::{
    GRACE,
    assignment::{Counts, Wanted, assign},
    roster::{GatewayKey, Member},
};

/// A MeshGatewayInstance in this zone.
#[derive(Clone, Debug)]
pub(super) struct Gateway {
    /// How many instances of it the zone is to run.
    pub(super) wanted: u32,
    /// What it says.
    pub(super) spec: MeshGatewayInstance,
}

/// All of them.
pub(super) type Gateways = BTreeMap<GatewayKey, Gateway>;

/// Forgets pools that are away for too long; when to look again for those that are away.
pub(super) fn forget(members: &mut BTreeMap<String, Member>, now: Instant) -> Option<Instant> {
    let due = |lost: Instant| lost + GRACE;
    members.retain(|_, member| member.lost.is_none_or(|lost| due(lost) > now));
    members
        .values()
        .filter_map(|member| member.lost)
        .map(due)
        .min()
}

/// Gives every pool its share.
pub(super) fn share_out(members: &mut BTreeMap<String, Member>, gateways: &Gateways, zone: &str) {
    let wanted = gateways.iter().map(|(key, gateway)| {
        let pools = members
            .iter()
            .filter(|(_, it)| may_run(it, key, &gateway.spec, zone));
        let wanted = Wanted {
            count: gateway.wanted,
            pools: pools.map(|(name, _)| name.clone()).collect(),
        };
        (key.clone(), wanted)
    });
    let wanted: BTreeMap<GatewayKey, Wanted<String>> = wanted.collect();
    let held = members.iter().flat_map(|(name, member)| {
        let counts = member.held.iter();
        counts.map(move |(key, count)| ((name.clone(), key.clone()), *count))
    });
    let held: Counts<String, GatewayKey> = held.collect();
    let mut assigned = BTreeMap::<String, BTreeMap<GatewayKey, u32>>::new();
    for ((pool, gateway), count) in assign(&wanted, &held) {
        assigned.entry(pool).or_default().insert(gateway, count);
    }
    for (name, member) in members {
        let counts = assigned.remove(name).unwrap_or_default();
        let shares = counts.iter().filter_map(|(key, count)| {
            let spec = &gateways.get(key)?.spec;
            Some(share(key, *count, spec))
        });
        let assignment = Assignment {
            shares: shares.collect(),
        };
        member.assign(counts, assignment);
    }
}

fn share((mesh, gateway): &GatewayKey, count: u32, spec: &MeshGatewayInstance) -> Share {
    Share {
        mesh: mesh.clone(),
        gateway: gateway.clone(),
        count,
        tags: spec.tags.clone(),
        resources: spec.resources.clone(),
    }
}

/// Whether it stays, and its token is for such instances.
fn may_run(
    member: &Member,
    (mesh, name): &GatewayKey,
    spec: &MeshGatewayInstance,
    zone: &str,
) -> bool {
    if member.status.leaving {
        return false;
    }
    let Some(claims) = &member.claims else {
        return true;
    };
    let own = spec.tags.iter().map(|(tag, value)| (&**tag, &**value));
    let tags = own.chain([(tags::ZONE, zone)]);
    let proxy = Proxy {
        proxy_type: "dataplane",
        name,
        mesh,
        tags: tags.map(|(tag, value)| (tag, [value].into())).collect(),
        workload: None,
    };
    claims.check(&proxy).is_ok()
}

/// How far the zone is with each gateway.
pub(super) fn scaled(
    members: &BTreeMap<String, Member>,
    gateways: &Gateways,
    zone: &str,
) -> Vec<ScaledGateway> {
    let mut all: BTreeMap<&GatewayKey, ScaledGateway> = gateways
        .iter()
        .map(|(key, gateway)| {
            let count = ScaledGateway {
                mesh: key.0.clone(),
                name: key.1.clone(),
                wanted: gateway.wanted,
                ..ScaledGateway::default()
            };
            (key, count)
        })
        .collect();
    let connected = || members.values().filter(|member| member.lost.is_none());
    for instance in connected().flat_map(|member| &member.status.instances) {
        let key = (instance.mesh.clone(), instance.gateway.clone());
        if let Some(count) = all.get_mut(&key) {
            count.running += 1;
            count.ready += u32::from(instance.phase() == Phase::Ready);
            if count.message.is_empty() && !instance.message.is_empty() {
                count.message = format!("{}: {}", instance.name, instance.message);
            }
        }
    }
    for (key, count) in &mut all {
        let able = |member: &Member| may_run(member, key, &gateways[*key].spec, zone);
        if count.wanted > 0 && !connected().any(able) {
            count.message = if members.is_empty() {
                "no pool is connected; start one with `portolan dp pool`".to_owned()
            } else {
                "no connected pool may run it; see the pools' tokens".to_owned()
            };
        }
    }
    all.into_values().collect()
}

#[cfg(test)]
mod tests;
