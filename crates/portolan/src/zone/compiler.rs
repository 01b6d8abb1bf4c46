//! Follows the index and gives every connected proxy its newest configuration.

use std::{collections::HashMap, sync::Arc, time::Duration};

use portolan_gateway::{Compiled, ZoneView};
use portolan_model::{ResourceKey, Revision};
use portolan_store::{Change, Index, Snapshot as Stored};
use portolan_xds::Snapshot;
use prometheus_client::metrics::histogram::Histogram;
use tokio::{
    sync::watch,
    task::block_in_place,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{conversion::Conversions, sessions::Sessions};

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
    time: Histogram,
    cancel: CancellationToken,
) {
    let mut stored = index.subscribe();
    let mut members = sessions.members();
    let mut compiler = Compiler::new(zone, sessions);
    loop {
        let snapshot = stored.borrow_and_update().clone();
        members.mark_unchanged();
        let start = Instant::now();
        let published = block_in_place(|| {
            compiler.follow(&snapshot);
            compiler.publish(&snapshot)
        });
        if published {
            time.observe(start.elapsed().as_secs_f64());
            tokio::select! {
                () = breathe(&compiler, &mut stored, watermark(&snapshot)) => {}
                _ = members.changed() => continue,
                () = cancel.cancelled() => return,
            }
        }
        tokio::select! {
            changed = stored.changed() => if changed.is_err() { return },
            _ = members.changed() => {}
            () = cancel.cancelled() => return,
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
    /// By proxy, so that nothing is sent where nothing changed.
    published: HashMap<ResourceKey, Published>,
    conversions: Conversions,
}

struct Published {
    session: u64,
    compiled: Option<Arc<Compiled>>,
    snapshot: Arc<Snapshot>,
}

impl Compiler {
    fn new(zone: &str, sessions: Arc<Sessions>) -> Self {
        Self {
            zone: zone.to_owned(),
            view: ZoneView::new(zone),
            seen: 0,
            sessions,
            published: HashMap::new(),
            conversions: Conversions::default(),
        }
    }

    /// Takes over what changed in the store.
    fn follow(&mut self, stored: &Stored) {
        if self.seen < stored.horizon() {
            // Deletions that were not seen have been forgotten: begin anew.
            self.view = ZoneView::new(&self.zone);
            self.seen = 0;
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

    /// Whether there are more than `count` changes that it has not taken over.
    fn lacks(&self, count: usize, stored: &Stored) -> bool {
        let changes =
            portolan_gateway::inputs().flat_map(|kind| stored.changes_after(kind, self.seen));
        changes.take(count + 1).count() > count
    }

    /// Compiles for each connected proxy and publishes what is new; whether any has to change.
    fn publish(&mut self, stored: &Stored) -> bool {
        let watermark = watermark(stored);
        let mut published = false;
        let open = self.sessions.open_streams();
        self.published
            .retain(|dataplane, _| open.contains_key(dataplane));
        // Instances with the same configuration share its snapshot.
        let mut snapshots: HashMap<usize, Arc<Snapshot>> = HashMap::new();
        for (dataplane, stream) in open {
            let session = stream.id;
            let log_pipe = stream.log_pipe.as_deref();
            let compiled = self.view.compile_with(&dataplane, log_pipe);
            let last = self.published.get(&dataplane);
            let same =
                last.filter(|last| last.session == session && same_arc(&last.compiled, &compiled));
            if same.is_some_and(|last| last.snapshot.watermark == watermark) {
                continue;
            }
            let address = compiled
                .as_ref()
                .map_or(0, |shared| Arc::as_ptr(shared).addr());
            let snapshot = snapshots.entry(address).or_insert_with(|| {
                let nothing = Compiled::default();
                let compiled = compiled.as_deref().unwrap_or(&nothing);
                Arc::new(self.conversions.snapshot(compiled, watermark))
            });
            published |= same.is_none();
            debug!(watermark, %dataplane, changed = same.is_none(), "configuration published");
            self.sessions
                .publish(&dataplane, compiled.as_deref(), Arc::clone(snapshot));
            let snapshot = Arc::clone(snapshot);
            self.published.insert(
                dataplane,
                Published {
                    session,
                    compiled,
                    snapshot,
                },
            );
        }
        self.conversions.forget_unused();
        published
    }
}

fn same_arc(a: &Option<Arc<Compiled>>, b: &Option<Arc<Compiled>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}
