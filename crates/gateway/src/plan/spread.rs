//! How connections spread over the zones that have instances of a destination.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use portolan_model::tags::Tags;

use super::remote::Remote;

/// Most that weights of a zone's own instances are multiplied with.
const MOST_SHARES: u32 = 10_000;

/// What is behind one address.
pub(super) struct Behind<'a> {
    /// Others with this address stand before the same instances, and say the same.
    ingress: &'a str,
    instances: u32,
    /// Those that all instances have.
    tags: Tags,
}

impl<'a> Behind<'a> {
    /// Nothing yet; `first` will be added.
    pub(super) fn new(ingress: &'a str, first: &Remote) -> Self {
        Self {
            ingress,
            instances: 0,
            tags: first.tags.clone(),
        }
    }

    /// Adds instances that a ZoneIngress tells of.
    pub(super) fn add(&mut self, ingress: &str, remote: &Remote) {
        if self.ingress == ingress {
            self.instances = self.instances.saturating_add(remote.instances);
            self.tags
                .retain(|name, value| remote.tags.get(name) == Some(value));
        }
    }
}

/// Endpoints in other zones, and how much an instance of the own zone weighs beside them: connections
/// spread over all instances evenly, however many ZoneIngresses a zone has before its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    /// What each instance of the own zone weighs.
    pub own_weight: u32,
    /// By zone, then by address.
    pub endpoints: Vec<RemoteEndpoint>,
}

/// The address at which a zone lets others in to the instances of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteEndpoint {
    /// The zone.
    pub zone: Arc<str>,
    /// The address.
    pub address: SocketAddr,
    /// Tags that all instances behind it have.
    pub tags: Tags,
    /// How many instances there are.
    pub instances: u32,
    /// What it weighs.
    pub weight: u32,
}

impl Default for Spread {
    fn default() -> Self {
        Self {
            own_weight: 1,
            endpoints: Vec::new(),
        }
    }
}

impl Spread {
    /// Each zone's instances are behind all its addresses, so these share their weight.
    pub(super) fn over(zones: BTreeMap<Arc<str>, BTreeMap<SocketAddr, Behind<'_>>>) -> Self {
        let entrances = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).max(1);
        let shares = zones.values().fold(1, |shares, zone| {
            common_multiple(shares, entrances(zone.len()))
        });
        let endpoints = zones.into_iter().flat_map(|(zone, addresses)| {
            let share = (shares / entrances(addresses.len())).max(1);
            addresses
                .into_iter()
                .map(move |(address, behind)| RemoteEndpoint {
                    zone: zone.clone(),
                    address,
                    tags: behind.tags,
                    instances: behind.instances,
                    weight: behind.instances.saturating_mul(share),
                })
        });
        Self {
            own_weight: shares,
            endpoints: endpoints.collect(),
        }
    }
}

/// The least one, unless that is out of all proportion.
fn common_multiple(a: u32, b: u32) -> u32 {
    let (mut divisor, mut rest) = (a, b);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    let multiple = (a / divisor).saturating_mul(b);
    if multiple > MOST_SHARES {
        a.max(b)
    } else {
        multiple
    }
}
