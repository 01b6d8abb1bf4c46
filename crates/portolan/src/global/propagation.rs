//! How long writes take to reach every zone's disk and every zone's proxies.
//!
//! The times of the last writes are kept. A zone that acknowledges revision N after M has at that moment
//! acknowledged every write in between, and each of them is counted once for the zone. Only writes that
//! zones get are counted: others are acknowledged with the next of those, whenever that comes.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use portolan_kds::global::{ZoneState, Zones};
use portolan_model::{Kind, Revision};
use portolan_store::{Change, Index, Snapshot};
use prometheus_client::{
    metrics::{family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::signals::seconds;

/// Writes whose times are kept; who is further behind has older ones not counted.
const REMEMBERED: usize = 4096;

type ByZone = Family<[(&'static str, String); 1], Histogram, fn() -> Histogram>;

/// The two histograms.
#[derive(Clone, Debug)]
pub(super) struct Propagation {
    stored: ByZone,
    served: ByZone,
}

impl Propagation {
    /// Nothing yet.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let mut by_zone = |name: &str, help: &str| {
            let family = ByZone::new_with_constructor(seconds);
            registry.register_with_unit(name, help, Unit::Seconds, family.clone());
            family
        };
        Self {
            stored: by_zone(
                "portolan_propagation_stored",
                "Time from a write until it was acknowledged by the zone, from its disk",
            ),
            served: by_zone(
                "portolan_propagation_served",
                "Time from a write until all proxies of the zone served what it changed for them",
            ),
        }
    }

    /// Counts until cancelled.
    pub(super) async fn follow(
        self,
        index: Arc<Index>,
        mut connected: watch::Receiver<Zones>,
        cancel: CancellationToken,
    ) {
        let mut stored = index.subscribe();
        let mut writes = Writes::after(index.snapshot().revision());
        let mut tracker = Tracker::default();
        loop {
            // In this order, so that no zone has what is not known to be written.
            let zones = connected.borrow_and_update().clone();
            let snapshot = stored.borrow_and_update().clone();
            let now = Timestamp::now();
            writes.follow(&snapshot, now);
            tracker.look(&zones, |zone, stage, (from, to)| {
                let family = match stage {
                    Stage::Stored => &self.stored,
                    Stage::Served => &self.served,
                };
                let histogram = family.get_or_create_owned(&[("zone", zone.to_owned())]);
                for written in writes.between(from, to) {
                    histogram.observe(took(written, now).as_secs_f64());
                }
            });
            tokio::select! {
                changed = stored.changed() => if changed.is_err() { return },
                changed = connected.changed() => if changed.is_err() { return },
                () = cancel.cancelled() => return,
            }
        }
    }
}

/// Clocks of replicas may differ by more than the way takes.
fn took(written: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(written).try_into().unwrap_or_default()
}

/// When the last changes that zones get were written.
struct Writes {
    seen: Revision,
    /// By revision. Changes of one transaction have one time, and only the last of them is here.
    times: VecDeque<(Revision, Timestamp)>,
}

impl Writes {
    fn after(revision: Revision) -> Self {
        Self {
            seen: revision,
            times: VecDeque::new(),
        }
    }

    /// Takes over what was written since. Removals carry no time and count from now, when they are seen.
    fn follow(&mut self, stored: &Snapshot, now: Timestamp) {
        let kinds = Kind::all().filter(|kind| kind.direction.to_zone());
        let changes = kinds.flat_map(|kind| stored.changes_after(kind, self.seen));
        let mut written: Vec<_> = changes
            .map(|change| match change {
                Change::Put(resource) => (resource.revision, resource.modified),
                Change::Deleted(_, revision) => (revision, now),
            })
            .collect();
        written.sort_unstable();
        for (revision, time) in written {
            self.add(revision, time);
        }
        self.seen = stored.revision();
    }

    fn add(&mut self, revision: Revision, time: Timestamp) {
        match self.times.back_mut() {
            Some(last) if last.1 == time => last.0 = revision,
            _ => self.times.push_back((revision, time)),
        }
        if self.times.len() > REMEMBERED {
            self.times.pop_front();
        }
    }

    /// The times of what was written after `from` and up to `to`.
    fn between(&self, from: Revision, to: Revision) -> impl Iterator<Item = Timestamp> {
        let until = |revision| self.times.partition_point(|(at, _)| *at <= revision);
        let (start, end) = (until(from), until(to));
        self.times.range(start.min(end)..end).map(|(_, time)| *time)
    }
}

/// What a zone acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It is on the zone's disk.
    Stored,
    /// All its proxies serve it.
    Served,
}

/// How far each zone was when it was last looked at.
#[derive(Default)]
struct Tracker {
    zones: HashMap<String, Reached>,
    before: Zones,
}

/// The revisions that a zone has reached; on a new stream it begins where it was.
#[derive(Clone, Copy, Debug, Default)]
struct Reached {
    stored: Revision,
    served: Revision,
}

impl Tracker {
    /// Tells from where to where zones have come since the last look.
    fn look(&mut self, zones: &Zones, mut moved: impl FnMut(&str, Stage, (Revision, Revision))) {
        let before = std::mem::replace(&mut self.before, Arc::clone(zones));
        let same_zones = before.len() == zones.len();
        let mut before = before.values().filter(|_| same_zones);
        for state in zones.values() {
            // What did not change is shared.
            if before.next().is_some_and(|old| Arc::ptr_eq(old, state)) {
                continue;
            }
            let reached = self.zones.entry(state.name.clone()).or_default();
            let steps = [
                (
                    Stage::Stored,
                    state.acknowledged_revision,
                    &mut reached.stored,
                ),
                (Stage::Served, served(state), &mut reached.served),
            ];
            for (stage, to, from) in steps {
                // The first that is known of a zone is no step: when it came there is not known.
                if *from > 0 && to > *from {
                    moved(&state.name, stage, (*from, to));
                }
                *from = to.max(*from);
            }
        }
    }
}

/// Up to where all proxies of a zone serve; 0 if it has none.
fn served(state: &ZoneState) -> Revision {
    let revisions = state.instances.iter().map(|it| it.served_revision);
    revisions.min().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use portolan_model::{ResourceKey, kinds};
    use portolan_proto::status::InstanceStatus;
    use portolan_store::{Expect, Write, memory};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn zone(acknowledged_revision: Revision, served: &[Revision]) -> Zones {
        let instance = |revision: &Revision| InstanceStatus {
            served_revision: *revision,
            ..InstanceStatus::default()
        };
        let state = ZoneState {
            acknowledged_revision,
            instances: served.iter().map(instance).collect(),
            ..ZoneState::new("zone-1", at(0))
        };
        Arc::new(BTreeMap::from([("zone-1".to_owned(), Arc::new(state))]))
    }

    fn steps(tracker: &mut Tracker, zones: &Zones) -> Vec<(Stage, Revision, Revision)> {
        let mut steps = Vec::new();
        tracker.look(zones, |zone, stage, (from, to)| {
            assert_eq!(zone, "zone-1");
            steps.push((stage, from, to));
        });
        steps
    }

    #[test]
    fn a_zone_moves_when_it_and_when_its_slowest_proxy_acknowledge() {
        let mut tracker = Tracker::default();
        assert!(steps(&mut tracker, &zone(5, &[5, 5])).is_empty());
        let stored = zone(8, &[5, 5]);
        assert_eq!(steps(&mut tracker, &stored), [(Stage::Stored, 5, 8)]);
        assert!(steps(&mut tracker, &stored).is_empty());
        assert!(steps(&mut tracker, &zone(8, &[8, 5])).is_empty());
        let served = steps(&mut tracker, &zone(8, &[8, 7]));
        assert_eq!(served, [(Stage::Served, 5, 7)]);
    }

    #[test]
    fn nothing_counts_twice_when_a_zone_or_a_proxy_comes_again() {
        let mut tracker = Tracker::default();
        steps(&mut tracker, &zone(8, &[8]));
        assert!(steps(&mut tracker, &zone(0, &[])).is_empty());
        assert!(steps(&mut tracker, &zone(8, &[0, 8])).is_empty());
        let next = steps(&mut tracker, &zone(9, &[9, 9]));
        assert_eq!(next, [(Stage::Stored, 8, 9), (Stage::Served, 8, 9)]);
    }

    #[test]
    fn a_step_has_the_times_of_the_transactions_in_it() {
        let mut writes = Writes::after(0);
        for (revision, second) in [(3, 10), (4, 10), (6, 11), (9, 12)] {
            writes.add(revision, at(second));
        }
        let times = |from, to| writes.between(from, to).collect::<Vec<_>>();
        assert_eq!(times(0, 9), [at(10), at(11), at(12)]);
        assert_eq!(times(4, 8), [at(11)]);
        assert!(times(9, 20).is_empty());
        assert!(times(9, 4).is_empty());
        assert_eq!(took(at(12), at(11)), Duration::ZERO);
    }

    #[test]
    fn old_times_are_forgotten() {
        let mut writes = Writes::after(0);
        for number in 1..=5000 {
            writes.add(number, at(number.try_into().unwrap()));
        }
        assert_eq!(writes.between(0, 5000).count(), REMEMBERED);
        assert_eq!(writes.between(4999, 5000).count(), 1);
    }

    #[tokio::test]
    async fn only_what_zones_get_counts() {
        let store = memory::new(CancellationToken::new());
        let mut writes = Writes::after(0);
        for key in [
            ResourceKey::global(kinds::MESH, "default"),
            ResourceKey::global(kinds::ZONE, "zone-1"),
        ] {
            let write = Write::Put {
                key,
                labels: Default::default(),
                spec: Default::default(),
                expect: Expect::Any,
                created: None,
            };
            store.commit(write.into()).await.unwrap();
        }
        let snapshot = store.index().snapshot();
        writes.follow(&snapshot, at(0));
        let mesh = ResourceKey::global(kinds::MESH, "default");
        let modified = snapshot.get(&mesh).unwrap().modified;
        assert_eq!(writes.between(0, 2).collect::<Vec<_>>(), [modified]);
        writes.follow(&snapshot, at(0));
        assert_eq!(writes.times.len(), 1);
    }
}
