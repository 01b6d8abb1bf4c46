//! What a change does to each MeshGateway: listeners, virtual hosts and routes of the plan before and after.
//!
//! A route is the same before and after when the same MeshGatewayRoute asks the same of requests; it is
//! changed when it does something else then. Routes that only move up or down because others come or go are
//! not told.

mod ports;
mod routes;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::chart::{Chart, Fleet, Passage};

/// What becomes of one MeshGateway on gateway instances that all see the same of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayDiff {
    /// The mesh.
    pub mesh: String,
    /// The MeshGateway.
    pub gateway: String,
    /// Zones of the instances; empty if there are none, and the diff is what it would be for one.
    pub zones: BTreeSet<String>,
    /// Ports that come, go or change, by number.
    pub ports: Vec<PortDiff>,
}

/// Whether something comes, goes or stays with other content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is another.
    Changed,
}

/// A port of a gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortDiff {
    /// Name of the Envoy listener.
    pub name: String,
    /// What becomes of it.
    pub change: Change,
    /// What of its listeners differs, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<String>,
    /// Who shares connections that are not read as HTTP and did not, or otherwise, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<String>,
    /// Virtual hosts that come, go or change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostDiff>,
}

impl PortDiff {
    fn differs(&self) -> bool {
        self.change != Change::Changed
            || !self.listeners.is_empty()
            || !self.connections.is_empty()
            || !self.hosts.is_empty()
    }
}

/// A virtual host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostDiff {
    /// Its hostname.
    pub hostname: String,
    /// The listener's hostname that a connection's SNI is of, if the listener ends TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
    /// What becomes of it.
    pub change: Change,
    /// How many routes it had.
    pub routes_before: usize,
    /// How many it has.
    pub routes_after: usize,
    /// Its routes that come, go or change, in their order; those that go stand where they were.
    pub routes: Vec<RouteDiff>,
    /// How many more there are.
    #[serde(default)]
    pub more_routes: usize,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteDiff {
    /// What becomes of it.
    pub change: Change,
    /// Its position on the host, from 1: after the change, or before it if it is gone.
    pub position: usize,
    /// The MeshGatewayRoute, as its author called it.
    pub name: String,
    /// Position of the rule in it, from 0.
    pub rule: u32,
    /// What it asks of a request.
    pub conditions: String,
    /// What it does.
    pub action: String,
    /// What it did, if that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
}

/// What differs between two charts of a mesh.
pub fn diff(mesh: &str, before: &Chart, after: &Chart) -> Vec<GatewayDiff> {
    let names: BTreeSet<_> = [before, after]
        .into_iter()
        .flat_map(|chart| chart.gateways().map(|(name, _)| name.clone()))
        .collect();
    let mut diffs: Vec<GatewayDiff> = Vec::new();
    for name in names {
        for ((zone, _), (old, new)) in paired(&name, before, after) {
            let ports = ports::ports(&old, &new);
            if ports.is_empty() {
                continue;
            }
            let same = |diff: &&mut GatewayDiff| diff.gateway == *name && diff.ports == ports;
            match diffs.iter_mut().find(same) {
                Some(diff) => diff.zones.extend(zone),
                None => diffs.push(GatewayDiff {
                    mesh: mesh.to_owned(),
                    gateway: name.to_string(),
                    zones: zone.into_iter().collect(),
                    ports,
                }),
            }
        }
    }
    diffs
}

type Group = (Option<String>, BTreeMap<String, String>);
type Passages = Vec<Passage>;

/// What a MeshGateway does before and after, by the zone and tags of instances.
fn paired(gateway: &str, before: &Chart, after: &Chart) -> BTreeMap<Group, (Passages, Passages)> {
    let mut pairs: BTreeMap<Group, (Passages, Passages)> = BTreeMap::new();
    let fleets = |chart: &Chart| {
        let gateway = chart.gateway(gateway);
        gateway.map_or_else(Vec::new, |gateway| chart.fleets_of(gateway))
    };
    let group = |fleet: &Fleet| {
        let zone = fleet.zone.as_deref().map(str::to_owned);
        (zone, fleet.tags.clone())
    };
    for fleet in fleets(before) {
        pairs.entry(group(&fleet)).or_default().0 = before.passages(&fleet);
    }
    for fleet in fleets(after) {
        pairs.entry(group(&fleet)).or_default().1 = after.passages(&fleet);
    }
    pairs
}

/// Each once, with what it is before and after, in order.
fn both<'a, T, K: Ord>(
    before: impl Iterator<Item = &'a T>,
    after: impl Iterator<Item = &'a T>,
    key: impl Fn(&'a T) -> K,
) -> BTreeMap<K, (Option<&'a T>, Option<&'a T>)> {
    let mut both: BTreeMap<K, (Option<&T>, Option<&T>)> = BTreeMap::new();
    for item in before {
        both.entry(key(item)).or_default().0 = Some(item);
    }
    for item in after {
        both.entry(key(item)).or_default().1 = Some(item);
    }
    both
}

fn change<T>(before: Option<T>, after: Option<T>) -> Change {
    match (before, after) {
        (None, _) => Change::Added,
        (_, None) => Change::Removed,
        _ => Change::Changed,
    }
}
