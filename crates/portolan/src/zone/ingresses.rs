//! Tells other zones what this one offers: writes into each of its ZoneIngresses which services it has, and
//! how many instances of each, whenever that changes.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use portolan_gateway::Available;
use portolan_model::{
    Labels, Resource, ResourceKey, Revision, kinds, labels,
    proto::mesh::{ZoneIngress, zone_ingress::AvailableService},
};
use portolan_store::{Batch, Change, Expect, Snapshot, Store, StoreError, Write};
use prost::Message;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{away::Absence, sessions::Sessions};

/// How long a proxy may be away before other zones are sent elsewhere: longer than Envoy needs to come back
/// when only its connection to the control plane broke.
const PATIENCE: Duration = Duration::from_secs(1);
/// Least time between two writes: what changes together is told together.
const PAUSE: Duration = Duration::from_millis(50);
/// How long to wait for a store that is away.
const RETRY: Duration = Duration::from_millis(500);

/// Runs until cancelled; sleeps while nothing changes.
pub(crate) async fn run(
    zone: String,
    store: Arc<dyn Store>,
    sessions: Arc<Sessions>,
    cancel: CancellationToken,
) {
    let mut index = store.index().subscribe();
    let mut away = sessions.away().changes();
    let mut offer = Offer::new(&zone);
    loop {
        let snapshot = index.borrow_and_update().clone();
        away.mark_unchanged();
        let next = offer.follow(&snapshot, &sessions.away().all(), Instant::now());
        let writes = offer.due(&snapshot);
        if !writes.is_empty() {
            debug!(ingresses = writes.len(), "telling other zones what is here");
            let batch = Batch {
                writes,
                ..Batch::default()
            };
            let pause = match store.commit(batch).await {
                // Somebody else wrote meanwhile, and is seen in the next round.
                Ok(_) | Err(StoreError::Conflict { .. }) => PAUSE,
                Err(error) => {
                    warn!(%error, "cannot tell other zones what is here; trying again");
                    RETRY
                }
            };
            offer.looks_again();
            tokio::select! {
                () = sleep(pause) => continue,
                () = cancel.cancelled() => return,
            }
        }
        tokio::select! {
            changed = concerned(&mut index, offer.seen) => if changed.is_err() { return },
            _ = away.changed() => {}
            () = at(next) => {}
            () = cancel.cancelled() => return,
        }
    }
}

/// Waits for a change of what the offer depends on.
async fn concerned(
    index: &mut watch::Receiver<Arc<Snapshot>>,
    seen: Revision,
) -> Result<(), watch::error::RecvError> {
    let newer = |snapshot: &Arc<Snapshot>| newest(snapshot) > seen;
    index.wait_for(newer).await.map(drop)
}

fn newest(snapshot: &Snapshot) -> Revision {
    let kinds = [kinds::DATAPLANE, kinds::ZONE_INGRESS];
    let newest = kinds.map(|kind| snapshot.last_change(kind));
    newest.into_iter().max().unwrap_or_default()
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// What the zone offers, and up to where it was told.
struct Offer {
    zone: String,
    available: Available,
    /// Proxies that have been away for too long.
    lost: BTreeSet<ResourceKey>,
    seen: Revision,
    /// Whether what the ZoneIngresses say may differ.
    stale: bool,
}

impl Offer {
    fn new(zone: &str) -> Self {
        Self {
            zone: zone.to_owned(),
            available: Available::default(),
            lost: BTreeSet::new(),
            seen: 0,
            stale: true,
        }
    }

    fn looks_again(&mut self) {
        self.stale = true;
    }

    /// Takes over what changed in the store, and who is away; gives the moment at which the next of these has
    /// been away for too long.
    fn follow(
        &mut self,
        snapshot: &Snapshot,
        away: &HashMap<ResourceKey, Absence>,
        now: Instant,
    ) -> Option<Instant> {
        if self.seen < snapshot.horizon() {
            // Deletions that were not seen have been forgotten: begin anew.
            *self = Self::new(&self.zone);
        }
        let counts_until = |absence: &Absence| match absence {
            Absence::Starts => now,
            Absence::Left(since) => *since + PATIENCE,
        };
        let (lost, others): (Vec<_>, Vec<_>) = away
            .iter()
            .partition(|(_, absence)| counts_until(absence) <= now);
        let lost: BTreeSet<_> = lost.into_iter().map(|(key, _)| key.clone()).collect();
        let before = std::mem::replace(&mut self.lost, lost);
        for key in before.symmetric_difference(&self.lost) {
            self.stale = true;
            match snapshot.get(key).filter(|_| !self.lost.contains(key)) {
                Some(back) if key.kind == kinds::DATAPLANE => self.available.put(back, &self.zone),
                _ => self.available.remove(&key.mesh, &key.name),
            }
        }
        for change in snapshot.changes_after(kinds::DATAPLANE, self.seen) {
            self.stale = true;
            match change {
                Change::Put(one) if !self.lost.contains(&one.key) => {
                    self.available.put(&one, &self.zone);
                }
                Change::Put(_) => {}
                Change::Deleted(key, _) => self.available.remove(&key.mesh, &key.name),
            }
        }
        self.stale |= snapshot.last_change(kinds::ZONE_INGRESS) > self.seen;
        self.seen = newest(snapshot).max(self.seen);
        let moments = others.into_iter();
        moments.map(|(_, absence)| counts_until(absence)).min()
    }

    /// The ZoneIngresses of this zone that say something else.
    fn due(&mut self, snapshot: &Snapshot) -> Vec<Write> {
        if !std::mem::take(&mut self.stale) {
            return Vec::new();
        }
        let all = snapshot.list(kinds::ZONE_INGRESS, None);
        let mut own = all.filter(|ingress| is_own(ingress)).peekable();
        if own.peek().is_none() {
            return Vec::new();
        }
        let services = self.available.services();
        own.filter_map(|ingress| {
            // Where nobody lets others in, nothing is to be had.
            let is_lost = self.lost.contains(&ingress.key);
            write(ingress, if is_lost { &[] } else { &services })
        })
        .collect()
    }
}

/// Whether a ZoneIngress was written in this zone.
fn is_own(ingress: &Resource) -> bool {
    let origin = ingress.labels.get(labels::ORIGIN);
    origin.is_none_or(|origin| origin == labels::ORIGIN_ZONE)
}

fn write(ingress: &Resource, services: &[AvailableService]) -> Option<Write> {
    // Stores hold only specs that are messages of their kind.
    let mut spec: ZoneIngress = ingress.spec_as().ok()?;
    if spec.available_services == services {
        return None;
    }
    spec.available_services = services.to_vec();
    Some(Write::Put {
        key: ingress.key.clone(),
        labels: Labels::clone(&ingress.labels),
        spec: spec.encode_to_vec().into(),
        expect: Expect::Version(ingress.version),
        created: None,
    })
}
