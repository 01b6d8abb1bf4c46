//! One round: what each connected proxy gets.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use portolan_gateway::{Compiled, SECRET, Trusts};
use portolan_model::{ResourceKey, Revision};
use portolan_store::Snapshot as Stored;
use portolan_xds::{Resources, Snapshot};
use tracing::{debug, info};

use super::{Compiler, watermark};
use crate::zone::{
    identities::{IdentityState, Standing},
    sessions::OpenStream,
};

/// How long the proxy of a deleted Dataplane serves on, so that all who send it requests have turned away when
/// its listeners close. Those in other zones learn it last.
const FAREWELL: SignedDuration = SignedDuration::from_secs(5);

/// What a proxy was given last.
pub(super) struct Published {
    session: u64,
    compiled: Option<Arc<Compiled>>,
    /// With what the zone made for the proxy.
    secrets: Option<Arc<Resources>>,
    snapshot: Arc<Snapshot>,
    /// When its listeners close, once the Dataplane is deleted.
    pub(super) closes: Option<Timestamp>,
}

/// What became of one round.
pub(super) struct Round {
    /// Whether any proxy has to change.
    pub(super) published: bool,
    /// Whether some still wait for their certificates.
    pub(super) more: bool,
}

/// What a proxy is to have.
struct Wanted {
    compiled: Option<Arc<Compiled>>,
    /// With what the zone makes for the proxy alone.
    secrets: Option<Arc<Resources>>,
    identity: Option<IdentityState>,
    /// That of all with the same configuration.
    shared: Arc<Snapshot>,
}

impl Compiler {
    /// Compiles for each connected proxy and publishes what is new.
    pub(super) fn publish(
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
            if is_deleted && self.serves_on(&dataplane, &stream, watermark, now) {
                continue;
            }
            let log_pipe = stream.log_pipe.as_deref();
            let compiled = self.view.compile_with(&dataplane, log_pipe);
            let address = compiled
                .as_ref()
                .map_or(0, |shared| Arc::as_ptr(shared).addr());
            let shared = snapshots
                .entry(address)
                .or_insert_with(|| self.snapshot(compiled.as_deref(), watermark, now));
            const NOBODY_ELSE: &Trusts = &Trusts::NONE;
            let trusts = compiled.as_deref().map(|compiled| &compiled.trusts);
            let trusts = trusts.unwrap_or(NOBODY_ELSE);
            let for_all = shared.types.get(SECRET).cloned();
            let secrets = for_all.clone().unwrap_or_default();
            let standing = self
                .identities
                .standing(stored, &dataplane, &stream, &secrets, trusts);
            let (secrets, identity) = match standing {
                Standing::Has(secrets, identity) => (Some(secrets), Some(identity)),
                Standing::Waits if more => continue,
                Standing::WithoutIdentity | Standing::Waits => (for_all, None),
                Standing::Stranger => {
                    info!(%dataplane, "the Dataplane has other tags: its proxy has to show its token again");
                    self.sessions.ask_again(&dataplane, stream.id);
                    continue;
                }
            };
            let wanted = Wanted {
                compiled,
                secrets,
                identity,
                shared: Arc::clone(shared),
            };
            published |= self.give(dataplane, stream.id, wanted);
        }
        self.conversions.forget_unused();
        Round { published, more }
    }

    /// The snapshot of all proxies with one configuration.
    fn snapshot(
        &mut self,
        compiled: Option<&Compiled>,
        watermark: Revision,
        now: Timestamp,
    ) -> Arc<Snapshot> {
        let nothing = Compiled::default();
        let compiled = compiled.unwrap_or(&nothing);
        let mut snapshot = self.conversions.snapshot(compiled, watermark);
        if let Some(name) = &compiled.ticket_keys {
            let keys = self.tickets.secret(name, now);
            self.conversions.add(&mut snapshot, SECRET, name, keys);
        }
        Arc::new(snapshot)
    }

    /// Publishes what a proxy is to have, if it is new. Returns whether the proxy has to change.
    fn give(&mut self, dataplane: ResourceKey, session: u64, wanted: Wanted) -> bool {
        let Wanted {
            compiled,
            secrets,
            identity,
            shared,
        } = wanted;
        let watermark = shared.watermark;
        let same = self.published.get_mut(&dataplane).filter(|last| {
            last.session == session
                && same_arc(&last.compiled, &compiled)
                && same_arc(&last.secrets, &secrets)
        });
        let changed = same.is_none();
        if let Some(last) = same
            && last.snapshot.watermark == watermark
        {
            last.closes = None;
            return false;
        }
        let snapshot = match &secrets {
            Some(secrets) if identity.is_some() => {
                let mut own = Snapshot::clone(&shared);
                own.types.insert(SECRET, Arc::clone(secrets));
                Arc::new(own)
            }
            _ => shared,
        };
        debug!(watermark, %dataplane, changed, "configuration published");
        self.sessions.publish(
            &dataplane,
            compiled.as_deref(),
            identity,
            Arc::clone(&snapshot),
        );
        let given = Published {
            session,
            compiled,
            secrets,
            snapshot,
            closes: None,
        };
        self.published.insert(dataplane, given);
        changed
    }

    /// Whether the proxy of a deleted Dataplane is left as it is for a while.
    fn serves_on(
        &mut self,
        dataplane: &ResourceKey,
        stream: &OpenStream,
        watermark: Revision,
        now: Timestamp,
    ) -> bool {
        let Entry::Occupied(mut last) = self.published.entry(dataplane.clone()) else {
            return false;
        };
        if last.get().session != stream.id || last.get().compiled.is_none() {
            return false;
        }
        let closes = *last.get_mut().closes.get_or_insert_with(|| {
            info!(%dataplane, "the Dataplane is deleted: its proxy serves on for {FAREWELL:#}");
            now + FAREWELL
        });
        if closes <= now {
            last.remove();
            return false;
        }
        let last = last.get_mut();
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
