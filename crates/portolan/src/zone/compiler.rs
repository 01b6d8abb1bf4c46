//! Follows the index and gives every connected proxy its newest configuration.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use portolan_gateway::{Compiled, SECRET, Trusts, ZoneView};
use portolan_model::{ResourceKey, Revision, kinds};
use portolan_store::{Change, Index, Snapshot as Stored};
use portolan_xds::{Resources, Snapshot};
use prometheus_client::metrics::histogram::Histogram;
use tokio::{
    sync::watch,
    task::block_in_place,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::{
    conversion::Conversions,
    identities::{Identities, Standing},
    sessions::{OpenStream, Sessions},
    tickets::Tickets,
};

/// Longest wait for a proxy to take a change before the next one is compiled.
const MOST_PATIENCE: Duration = Duration::from_millis(250);
/// More changes than these, made while a proxy took one, are a burst.
const FEW: usize = 8;
/// In a burst, a proxy rests so many times as long as it needed for the last change: it spends at most a
/// quarter of a core on reading tables.
const REST: u32 = 3;
/// How long the proxy of a deleted Dataplane serves on, so that all who send it requests have turned away when
/// its listeners close. Those in other zones learn it last.
const FAREWELL: SignedDuration = SignedDuration::from_secs(5);

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

struct Published {
    session: u64,
    compiled: Option<Arc<Compiled>>,
    /// With what the zone made for the proxy.
    secrets: Option<Arc<Resources>>,
    snapshot: Arc<Snapshot>,
    /// When its listeners close, once the Dataplane is deleted.
    closes: Option<Timestamp>,
}

/// What became of one round.
struct Round {
    /// Whether any proxy has to change.
    published: bool,
    /// Whether some still wait for their certificates.
    more: bool,
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

    /// Compiles for each connected proxy and publishes what is new.
    fn publish(
        &mut self,
        stored: &Stored,
        open: HashMap<ResourceKey, OpenStream>,
        now: Timestamp,
    ) -> Round {
        let watermark = watermark(stored);
        let mut published = false;
        self.published
            .retain(|dataplane, _| open.contains_key(dataplane));
        let more = self.identities.refresh(stored, &open, now);
        self.tickets.rotate(now);
        // Instances with the same configuration share its snapshot, but for their identities.
        let mut snapshots: HashMap<usize, Arc<Snapshot>> = HashMap::new();
        for (dataplane, stream) in open {
            let is_deleted = stored.get(&dataplane).is_none();
            if self.serves_on(&dataplane, &stream, is_deleted, watermark, now) {
                continue;
            }
            let log_pipe = stream.log_pipe.as_deref();
            let compiled = self.view.compile_with(&dataplane, log_pipe);
            let address = compiled
                .as_ref()
                .map_or(0, |shared| Arc::as_ptr(shared).addr());
            let snapshot = snapshots.entry(address).or_insert_with(|| {
                let nothing = Compiled::default();
                let compiled = compiled.as_deref().unwrap_or(&nothing);
                let mut snapshot = self.conversions.snapshot(compiled, watermark);
                if let Some(name) = &compiled.ticket_keys {
                    let keys = self.tickets.secret(name, now);
                    self.conversions.add(&mut snapshot, SECRET, name, keys);
                }
                Arc::new(snapshot)
            });
            const NOBODY_ELSE: &Trusts = &Trusts::NONE;
            let trusts = compiled.as_deref().map(|compiled| &compiled.trusts);
            let trusts = trusts.unwrap_or(NOBODY_ELSE);
            let shared = snapshot.types.get(SECRET).cloned();
            let secrets = shared.clone().unwrap_or_default();
            let standing = self
                .identities
                .standing(stored, &dataplane, &stream, &secrets, trusts);
            let (secrets, identity) = match standing {
                Standing::Has(secrets, identity) => (Some(secrets), Some(identity)),
                Standing::Waits if more => continue,
                Standing::WithoutIdentity | Standing::Waits => (shared, None),
                Standing::Stranger => {
                    info!(%dataplane, "the Dataplane has other tags: its proxy has to show its token again");
                    self.sessions.ask_again(&dataplane, stream.id);
                    continue;
                }
            };
            let last = self.published.get(&dataplane);
            let same = last.filter(|last| {
                last.session == stream.id
                    && same_arc(&last.compiled, &compiled)
                    && same_arc(&last.secrets, &secrets)
            });
            if same.is_some_and(|last| last.snapshot.watermark == watermark) {
                continue;
            }
            let snapshot = match &secrets {
                Some(secrets) if identity.is_some() => {
                    let mut own = Snapshot::clone(snapshot);
                    own.types.insert(SECRET, Arc::clone(secrets));
                    Arc::new(own)
                }
                _ => Arc::clone(snapshot),
            };
            published |= same.is_none();
            debug!(watermark, %dataplane, changed = same.is_none(), "configuration published");
            self.sessions.publish(
                &dataplane,
                compiled.as_deref(),
                identity,
                Arc::clone(&snapshot),
            );
            self.published.insert(
                dataplane,
                Published {
                    session: stream.id,
                    compiled,
                    secrets,
                    snapshot,
                    closes: None,
                },
            );
        }
        self.conversions.forget_unused();
        Round { published, more }
    }

    /// Whether a proxy is left as it is for a while, because its Dataplane is deleted.
    fn serves_on(
        &mut self,
        dataplane: &ResourceKey,
        stream: &OpenStream,
        is_deleted: bool,
        watermark: Revision,
        now: Timestamp,
    ) -> bool {
        let Some(last) = self.published.get_mut(dataplane) else {
            return false;
        };
        if !is_deleted || last.session != stream.id || last.compiled.is_none() {
            last.closes = None;
            return false;
        }
        let closes = *last.closes.get_or_insert_with(|| {
            info!(%dataplane, "the Dataplane is deleted: its proxy serves on for {FAREWELL:#}");
            now + FAREWELL
        });
        if closes <= now {
            return false;
        }
        if last.snapshot.watermark != watermark {
            let mut snapshot = Snapshot::clone(&last.snapshot);
            snapshot.watermark = watermark;
            last.snapshot = Arc::new(snapshot);
            self.sessions.send(dataplane, Arc::clone(&last.snapshot));
        }
        true
    }
}

fn same_arc<T>(a: &Option<Arc<T>>, b: &Option<Arc<T>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}
