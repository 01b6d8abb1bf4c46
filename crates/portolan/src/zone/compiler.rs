//! Follows the index and gives every connected proxy its newest configuration.

use std::{collections::HashMap, sync::Arc, time::Duration};

use portolan_gateway::{Compiled, ZoneView};
use portolan_model::{Kind, ResourceKey, Revision, kinds};
use portolan_store::{Change, Index, Snapshot as Stored};
use portolan_xds::{Resource, Snapshot};
use tokio::{
    sync::watch,
    task::block_in_place,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::sessions::Sessions;

/// What a gateway's configuration is made of.
const INPUTS: [Kind; 4] = [
    kinds::MESH,
    kinds::MESH_GATEWAY,
    kinds::MESH_GATEWAY_ROUTE,
    kinds::DATAPLANE,
];

/// Longest wait for a proxy to take a change before the next one is compiled.
const MOST_PATIENCE: Duration = Duration::from_millis(250);
/// In a burst, a proxy rests so many times as long as it needed for the last change: it spends at most a
/// quarter of a core on reading tables.
const REST: u32 = 3;

/// Runs until cancelled. Holds the newest state only: what changed while it compiled is taken at once.
pub(crate) async fn run(
    zone: &str,
    index: Arc<Index>,
    sessions: Arc<Sessions>,
    cancel: CancellationToken,
) {
    let mut stored = index.subscribe();
    let mut members = sessions.members();
    let mut compiler = Compiler::new(zone, sessions);
    loop {
        let snapshot = stored.borrow_and_update().clone();
        members.mark_unchanged();
        let published = block_in_place(|| {
            compiler.follow(&snapshot);
            compiler.publish(&snapshot)
        });
        if published {
            tokio::select! {
                () = breathe(&compiler.sessions, &mut stored, watermark(&snapshot)) => {}
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
async fn breathe(sessions: &Sessions, stored: &mut watch::Receiver<Arc<Stored>>, mark: Revision) {
    let start = Instant::now();
    let _ = timeout(MOST_PATIENCE, sessions.served_somewhere(mark)).await;
    if stored.has_changed().unwrap_or(false) {
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
        }
    }

    /// Takes over what changed in the store.
    fn follow(&mut self, stored: &Stored) {
        if self.seen < stored.horizon() {
            // Deletions that were not seen have been forgotten: begin anew.
            self.view = ZoneView::new(&self.zone);
            self.seen = 0;
        }
        for kind in INPUTS {
            for change in stored.changes_after(kind, self.seen) {
                match change {
                    Change::Put(resource) => self.view.put(&resource),
                    Change::Deleted(key, _) => self.view.remove(&key),
                }
            }
        }
        self.seen = stored.revision();
    }

    /// Compiles for each connected proxy and publishes what is new; whether any has to change.
    fn publish(&mut self, stored: &Stored) -> bool {
        let watermark = watermark(stored);
        let mut published = false;
        let open = self.sessions.open_dataplanes();
        self.published
            .retain(|dataplane, _| open.contains(dataplane));
        // Instances of one gateway share a compilation, and so its conversion.
        let mut converted: Vec<(Arc<Compiled>, Arc<Snapshot>)> = Vec::new();
        for dataplane in open {
            let Some(session) = self.sessions.state(&dataplane) else {
                continue;
            };
            let compiled = self.view.compile(&dataplane);
            let last = self.published.get(&dataplane);
            let same = last.is_some_and(|last| {
                last.session == session.id && same_arc(&last.compiled, &compiled)
            });
            if same && last.is_some_and(|last| last.snapshot.watermark == watermark) {
                continue;
            }
            let snapshot = match (&compiled, last) {
                (_, Some(last)) if same => Arc::new(Snapshot {
                    watermark,
                    types: last.snapshot.types.clone(),
                }),
                (Some(compiled), _) => shared_conversion(&mut converted, compiled, watermark),
                (None, _) => Arc::new(Snapshot {
                    watermark,
                    ..Snapshot::default()
                }),
            };
            published |= !same;
            debug!(%dataplane, watermark, changed = !same, "configuration published");
            let gateway = compiled
                .as_ref()
                .and_then(|compiled| compiled.gateway.clone());
            self.sessions
                .publish(&dataplane, gateway, Arc::clone(&snapshot));
            self.published.insert(
                dataplane,
                Published {
                    session: session.id,
                    compiled,
                    snapshot,
                },
            );
        }
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

fn shared_conversion(
    converted: &mut Vec<(Arc<Compiled>, Arc<Snapshot>)>,
    compiled: &Arc<Compiled>,
    watermark: Revision,
) -> Arc<Snapshot> {
    if let Some((_, snapshot)) = converted
        .iter()
        .find(|(other, _)| Arc::ptr_eq(other, compiled))
    {
        return Arc::clone(snapshot);
    }
    let types = compiled
        .resources
        .iter()
        .map(|(type_url, resources)| {
            let resources = resources.iter().map(|(name, encoded)| {
                let version = Arc::clone(&encoded.version);
                (
                    Arc::clone(name),
                    Resource {
                        version,
                        body: encoded.body.clone(),
                    },
                )
            });
            (*type_url, Arc::new(resources.collect()))
        })
        .collect();
    let snapshot = Arc::new(Snapshot { watermark, types });
    converted.push((Arc::clone(compiled), Arc::clone(&snapshot)));
    snapshot
}
