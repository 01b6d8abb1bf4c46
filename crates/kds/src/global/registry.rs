//! The zones that are, or were, connected, and how far each is.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use jiff::Timestamp;
use parking_lot::Mutex;
use portolan_model::Revision;
use portolan_proto::status::{InstanceStatus, ScaledGateway, ZoneStatus};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::peer::Peer;

/// What is known of one zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneState {
    /// Its name.
    pub name: String,
    /// Whether its stream of global resources is open.
    pub online: bool,
    /// Since when it is online, or offline.
    pub since: Timestamp,
    /// When its last stream was opened.
    pub connected: Timestamp,
    /// Everything for the zone up to this revision is on the zone's disk.
    pub acknowledged_revision: Revision,
    /// Version of its control plane.
    pub version: String,
    /// Identity of its process.
    pub instance_id: String,
    /// Whether it is a Portolan (else a Kuma).
    pub is_portolan: bool,
    /// The last thing that it refused.
    pub last_error: Option<String>,
    /// Its proxies, as it reports them.
    pub instances: Vec<InstanceStatus>,
    /// How far it is with its MeshGatewayInstances, as it reports them.
    pub scaled: Vec<ScaledGateway>,
    /// Responses of its stream.
    pub counts: Counts,
    /// Tells one stream from another.
    pub stream: u64,
}

impl ZoneState {
    /// A zone that has just connected, and has said nothing yet.
    pub fn new(name: &str, now: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            online: true,
            since: now,
            connected: now,
            acknowledged_revision: 0,
            version: String::new(),
            instance_id: String::new(),
            is_portolan: false,
            last_error: None,
            instances: Vec::new(),
            scaled: Vec::new(),
            counts: Counts::new(),
            stream: 0,
        }
    }
}

/// Responses by kind: sent, acknowledged, refused.
pub type Counts = BTreeMap<String, [u64; 3]>;

/// All zones by name. What did not change is shared.
pub type Zones = Arc<BTreeMap<String, Arc<ZoneState>>>;

/// All zones; every change is published.
#[derive(Debug, Default)]
pub(super) struct Registry {
    zones: watch::Sender<Zones>,
    /// Of each zone's newest stream; cancelled when another takes over.
    streams: Mutex<HashMap<String, CancellationToken>>,
    /// Of streams that another has replaced.
    past: Mutex<Counts>,
}

/// A zone's stream among those that it has opened.
#[derive(Debug)]
pub(super) struct Opened {
    /// Its number.
    pub(super) number: u64,
    /// Cancelled when the zone opens another.
    pub(super) replaced: CancellationToken,
}

impl Registry {
    pub(super) fn watch(&self) -> watch::Receiver<Zones> {
        self.zones.subscribe()
    }

    /// A stream was opened. One that the zone had before is replaced.
    pub(super) fn open(&self, zone: &str) -> Opened {
        let now = Timestamp::now();
        let replaced = CancellationToken::new();
        // Held until the number is given, so that the last token is that of the highest number.
        let mut streams = self.streams.lock();
        if let Some(earlier) = streams.insert(zone.to_owned(), replaced.clone()) {
            earlier.cancel();
        }
        let mut number = 0;
        self.zones.send_modify(|zones| {
            let zones = Arc::make_mut(zones);
            let before = zones.get(zone);
            number = before.map_or(0, |state| state.stream) + 1;
            let (instances, scaled) = before
                .map(|state| (state.instances.clone(), state.scaled.clone()))
                .unwrap_or_default();
            if let Some(before) = before {
                add(&mut self.past.lock(), &before.counts);
            }
            let state = ZoneState {
                instances,
                scaled,
                stream: number,
                ..ZoneState::new(zone, now)
            };
            zones.insert(zone.to_owned(), Arc::new(state));
        });
        Opened { number, replaced }
    }

    /// The responses of all streams since the process started.
    pub(super) fn responses(&self) -> Counts {
        // While a stream takes over from another, its counts are in neither place or in both.
        let _no_stream_opens = self.streams.lock();
        let mut all = self.past.lock().clone();
        for state in self.zones.borrow().values() {
            add(&mut all, &state.counts);
        }
        all
    }

    /// The stream was closed.
    pub(super) fn close(&self, zone: &str, stream: u64) {
        self.update(zone, stream, |state| {
            state.online = false;
            state.since = Timestamp::now();
            state.instances.clear();
            state.scaled.clear();
        });
    }

    /// Changes the state of a zone, unless a newer stream has taken over. Publishes only real changes.
    pub(super) fn update(&self, zone: &str, stream: u64, change: impl FnOnce(&mut ZoneState)) {
        self.zones.send_if_modified(|zones| {
            let Some(current) = zones.get(zone) else {
                return false;
            };
            if current.stream != stream {
                return false;
            }
            let mut next = (**current).clone();
            change(&mut next);
            if next == **current {
                return false;
            }
            Arc::make_mut(zones).insert(zone.to_owned(), Arc::new(next));
            true
        });
    }

    /// What the zone reports of its proxies, and of how many it is to run.
    pub(super) fn report(&self, zone: &str, status: ZoneStatus) {
        let stream = self.zones.borrow().get(zone).map(|state| state.stream);
        if let Some(stream) = stream {
            self.update(zone, stream, |state| {
                state.instances = status.instances;
                state.scaled = status.scaled;
            });
        }
    }

    /// Notes who the peer is.
    pub(super) fn introduce(&self, zone: &str, stream: u64, peer: &Peer) {
        self.update(zone, stream, |state| {
            state.version.clone_from(&peer.version);
            state.instance_id.clone_from(&peer.instance_id);
            state.is_portolan = peer.is_portolan;
        });
    }
}

fn add(sum: &mut Counts, counts: &Counts) {
    for (kind, more) in counts {
        let of_kind = sum.entry(kind.clone()).or_default();
        for (count, more) in of_kind.iter_mut().zip(more) {
            *count += more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(registry: &Registry, zone: &str) -> Arc<ZoneState> {
        Arc::clone(&registry.watch().borrow()[zone])
    }

    #[test]
    fn a_newer_stream_replaces_the_older_and_cancels_it() {
        let registry = Registry::default();
        let first = registry.open("zone-1");
        let other = registry.open("zone-2");
        let second = registry.open("zone-1");
        assert!(second.number > first.number);
        assert!(first.replaced.is_cancelled());
        assert!(!second.replaced.is_cancelled() && !other.replaced.is_cancelled());
    }

    #[test]
    fn the_older_stream_has_nothing_more_to_say() {
        let registry = Registry::default();
        let first = registry.open("zone-1");
        let second = registry.open("zone-1");
        registry.update("zone-1", first.number, |state| {
            state.acknowledged_revision = 9;
        });
        registry.close("zone-1", first.number);
        let current = state(&registry, "zone-1");
        assert!(current.online);
        assert_eq!(current.acknowledged_revision, 0);
        registry.close("zone-1", second.number);
        assert!(!state(&registry, "zone-1").online);
    }

    #[test]
    fn responses_are_counted_on_over_streams_and_zones() {
        let registry = Registry::default();
        for zone in ["zone-1", "zone-2", "zone-1"] {
            let stream = registry.open(zone);
            registry.update(zone, stream.number, |state| {
                state.counts.insert("MeshGateway".to_owned(), [2, 1, 1]);
            });
        }
        let expected = Counts::from([("MeshGateway".to_owned(), [6, 3, 3])]);
        assert_eq!(registry.responses(), expected);
        assert_eq!(state(&registry, "zone-1").counts["MeshGateway"], [2, 1, 1]);
    }

    #[test]
    fn only_real_changes_are_published() {
        let registry = Registry::default();
        let stream = registry.open("zone-1");
        let mut zones = registry.watch();
        registry.update("zone-1", stream.number, |state| {
            state.acknowledged_revision = 0;
        });
        registry.update("zone-2", 1, |state| state.acknowledged_revision = 7);
        assert!(!zones.has_changed().unwrap());
        registry.update("zone-1", stream.number, |state| {
            state.acknowledged_revision = 7;
        });
        assert!(zones.has_changed().unwrap());
        zones.mark_unchanged();
        assert_eq!(state(&registry, "zone-1").acknowledged_revision, 7);
    }

    #[test]
    fn a_zone_keeps_its_proxies_when_it_connects_again_and_loses_them_when_it_goes() {
        let registry = Registry::default();
        let status = ZoneStatus {
            instances: vec![InstanceStatus::default()],
            scaled: vec![ScaledGateway::default()],
            ..ZoneStatus::default()
        };
        registry.report("zone-1", status.clone());
        assert!(registry.watch().borrow().is_empty(), "not connected yet");
        registry.open("zone-1");
        registry.report("zone-1", status);
        let stream = registry.open("zone-1");
        assert_eq!(state(&registry, "zone-1").instances.len(), 1);
        assert_eq!(state(&registry, "zone-1").scaled.len(), 1);
        registry.close("zone-1", stream.number);
        assert!(state(&registry, "zone-1").instances.is_empty());
        assert!(state(&registry, "zone-1").scaled.is_empty());
    }
}
