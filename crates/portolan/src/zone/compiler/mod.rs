//! Follows the index and gives every connected proxy its newest configuration.

mod publish;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use portolan_gateway::ZoneView;
use portolan_model::{ResourceKey, Revision, kinds};
use portolan_store::{Change, Index, Snapshot as Stored};
use prometheus_client::metrics::histogram::Histogram;
use tokio::{
    sync::watch,
    task::block_in_place,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use self::publish::{Published, Round};
use super::{
    conversion::Conversions, identities::Identities, sessions::Sessions, tickets::Tickets,
};

/// Longest wait for a proxy to take a change before the next one is compiled.
const MOST_PATIENCE: Duration = Duration::from_millis(250);
/// More changes than these, made while a proxy took one, are a burst.
const FEW: usize = 8;
/// In a burst, a proxy rests so many times as long as it needed for the last change: it spends at most a
/// quarter of a core on reading tables.
const REST: u32 = 3;

/// Runs until cancelled. Holds the newest state only: what changed while it compiled is taken at once.
pub(crate) async fn run(
    zone: &str,
    index: Arc<Index>,
    sessions: Arc<Sessions>,
    tickets: Tickets,
    time: Histogram,
    cancel: CancellationToken,
) {
    let mut stored = index.subscribe();
    let mut members = sessions.members();
    let mut away = sessions.away().changes();
    let mut compiler = Compiler::new(zone, sessions, tickets);
    loop {
        members.mark_unchanged();
        away.mark_unchanged();
        // Before the snapshot: it has the Dataplanes of all of these.
        let open = compiler.sessions.open_streams();
        let snapshot = stored.borrow_and_update().clone();
        let start = Instant::now();
        let Round { published, more } = block_in_place(|| {
            compiler.follow(&snapshot);
            compiler.follow_away();
            compiler.publish(&snapshot, open, Timestamp::now())
        });
        if more {
            continue;
        }
        if published {
            time.observe(start.elapsed().as_secs_f64());
            tokio::select! {
                () = breathe(&compiler, &mut stored, watermark(&snapshot)) => {}
                _ = members.changed() => continue,
                _ = away.changed() => continue,
                () = cancel.cancelled() => return,
            }
        }
        tokio::select! {
            changed = stored.changed() => if changed.is_err() { return },
            _ = members.changed() => {}
            _ = away.changed() => {}
            () = until(compiler.next_deadline()) => {}
            () = cancel.cancelled() => return,
        }
    }
}

/// Waits until a moment, or for good if there is none.
async fn until(moment: Option<Timestamp>) {
    match moment {
        None => std::future::pending().await,
        Some(moment) => {
            let left = moment.duration_since(Timestamp::now());
            sleep(left.try_into().unwrap_or_default()).await;
        }
    }
}

/// In a burst of changes, lets the proxies rest between two of them: Envoy reads a whole route table anew
/// for each, and would do nothing else. A single change never waits.
async fn breathe(compiler: &Compiler, stored: &mut watch::Receiver<Arc<Stored>>, mark: Revision) {
    let start = Instant::now();
    let _ = timeout(MOST_PATIENCE, compiler.sessions.served_somewhere(mark)).await;
    if compiler.lacks(FEW, &stored.borrow()) {
        sleep(start.elapsed() * REST).await;
    }
}

fn watermark(stored: &Stored) -> Revision {
    stored.watermark().map_or(0, |watermark| watermark.revision)
}

struct Compiler {
    zone: String,
    view: ZoneView,
    seen: Revision,
    sessions: Arc<Sessions>,
    /// Dataplanes whose proxies were away when it was last asked.
    away: HashSet<ResourceKey>,
    /// By proxy, so that nothing is sent where nothing changed.
    published: HashMap<ResourceKey, Published>,
    conversions: Conversions,
    identities: Identities,
    tickets: Tickets,
}

impl Compiler {
    fn new(zone: &str, sessions: Arc<Sessions>, tickets: Tickets) -> Self {
        Self {
            zone: zone.to_owned(),
            view: ZoneView::new(zone),
            seen: 0,
            sessions,
            away: HashSet::new(),
            published: HashMap::new(),
            conversions: Conversions::default(),
            identities: Identities::default(),
            tickets,
        }
    }

    /// When something has to be made anew without a change.
    fn next_deadline(&self) -> Option<Timestamp> {
        let closings = self.published.values().filter_map(|last| last.closes).min();
        let deadlines = [
            self.identities.next_renewal(),
            self.tickets.next_rotation(),
            closings,
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Takes over what changed in the store.
    fn follow(&mut self, stored: &Stored) {
        if self.seen < stored.horizon() {
            // Deletions that were not seen have been forgotten: begin anew.
            self.view = ZoneView::new(&self.zone);
            self.seen = 0;
            self.away.clear();
        }
        for kind in portolan_gateway::inputs() {
            for change in stored.changes_after(kind, self.seen) {
                match change {
                    Change::Put(resource) => self.view.put(&resource),
                    Change::Deleted(key, _) => self.view.remove(&key),
                }
            }
        }
        self.seen = stored.revision();
    }

    /// Takes over whose proxies are away.
    fn follow_away(&mut self) {
        let away = self.sessions.away().all().into_keys();
        let away: HashSet<_> = away.filter(|key| key.kind == kinds::DATAPLANE).collect();
        for key in self.away.symmetric_difference(&away) {
            self.view.set_away(key, away.contains(key));
        }
        self.away = away;
    }

    /// Whether there are more than `count` changes that it has not taken over.
    fn lacks(&self, count: usize, stored: &Stored) -> bool {
        let changes =
            portolan_gateway::inputs().flat_map(|kind| stored.changes_after(kind, self.seen));
        changes.take(count + 1).count() > count
    }
}
