//! The proxies that are connected, and what each has acknowledged.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use parking_lot::Mutex;
use portolan_gateway::Compiled;
use portolan_identity::mesh::WorkloadTags;
use portolan_model::{ResourceKey, Revision};
use portolan_proto::{mesh::Version, status::InstanceStatus};
use portolan_xds::{Refusal, Snapshot};
use tokio::{sync::watch, time::Instant};

use super::{
    away::{Absence, Away},
    identities::IdentityState,
};

/// Counters of one type of resource on one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Responses sent.
    pub(crate) sent: u64,
    /// Responses acknowledged.
    pub(crate) acknowledged: u64,
    /// Responses refused.
    pub(crate) refused: u64,
}

/// What is known of one open stream.
#[derive(Clone, Debug)]
pub(crate) struct SessionState {
    /// Tells this stream from an earlier one of the same proxy.
    pub(crate) id: u64,
    /// When it was opened.
    pub(crate) connected: Timestamp,
    /// Versions of Envoy and of what runs it, as they say.
    pub(crate) version: Version,
    /// The MeshGateway that the proxy runs.
    pub(crate) gateway: Option<Arc<str>>,
    /// Whether it is an instance of a DELEGATED gateway.
    pub(crate) delegated: bool,
    /// Whether it is no gateway, but the proxy of a member.
    pub(crate) member: bool,
    /// The global's revision that everything acknowledged reflects.
    pub(crate) served: Revision,
    /// The refusal in force.
    pub(crate) refused: Option<Refusal>,
    /// Its certificate in the mesh, if it has one.
    pub(crate) identity: Option<IdentityState>,
    /// By type URL.
    pub(crate) counts: HashMap<String, Counts>,
    /// Something here changed since the insight was last written.
    pub(crate) dirty: bool,
}

impl Counts {
    /// Counts these too.
    pub(crate) fn add(&mut self, more: &Self) {
        self.sent += more.sent;
        self.acknowledged += more.acknowledged;
        self.refused += more.refused;
    }
}

impl SessionState {
    /// The counters of a type.
    pub(crate) fn counts_of(&mut self, type_url: &str) -> &mut Counts {
        self.counts.entry(type_url.to_owned()).or_default()
    }
}

/// An open stream, to whoever makes its configuration.
#[derive(Clone, Debug)]
pub(crate) struct OpenStream {
    /// Tells this stream from an earlier one of the same proxy.
    pub(crate) id: u64,
    /// The tags of the Dataplane that its token was for.
    pub(crate) admitted: Arc<WorkloadTags>,
    /// Where the proxy's data plane takes lines for collectors of access logs, if it does.
    pub(crate) log_pipe: Option<Arc<str>>,
}

struct Session {
    state: SessionState,
    admitted: Arc<WorkloadTags>,
    log_pipe: Option<Arc<str>>,
    /// `None` once the stream has to end.
    snapshots: Option<watch::Sender<Option<Arc<Snapshot>>>>,
}

/// All open streams of this zone. Every change of the table or of a state moves [`Sessions::changes`].
pub(crate) struct Sessions {
    table: Mutex<HashMap<ResourceKey, Session>>,
    /// Of streams that are closed, by type URL. Locked only while the table is.
    past: Mutex<HashMap<String, Counts>>,
    /// Proxies that start, and those that left and do not serve again, until they are forgotten. Changed only
    /// while the table is locked.
    away: Away,
    changes: watch::Sender<u64>,
    members: watch::Sender<u64>,
}

impl Sessions {
    /// No stream yet.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            table: Mutex::default(),
            past: Mutex::default(),
            away: Away::default(),
            changes: watch::Sender::new(0),
            members: watch::Sender::new(0),
        })
    }

    /// Adds a stream, which was let in as a Dataplane with tags `admitted`; one that the proxy had before is
    /// forgotten. Returns its id and what to send. `log_pipe` as in [`OpenStream`].
    pub(crate) fn open(
        &self,
        dataplane: &ResourceKey,
        version: Version,
        admitted: WorkloadTags,
        log_pipe: Option<Arc<str>>,
    ) -> (u64, watch::Receiver<Option<Arc<Snapshot>>>) {
        let (snapshots, receiver) = watch::channel(None);
        // Under the lock, so that two streams that open at once do not share an id.
        let mut table = self.table.lock();
        let id = *self.members.borrow() + 1;
        let state = SessionState {
            id,
            connected: Timestamp::now(),
            version,
            gateway: None,
            delegated: false,
            member: false,
            served: 0,
            refused: None,
            identity: None,
            counts: HashMap::new(),
            dirty: true,
        };
        let session = Session {
            state,
            admitted: Arc::new(admitted),
            log_pipe,
            snapshots: Some(snapshots),
        };
        let replaced = table.insert(dataplane.clone(), session);
        self.keep_counts(replaced.as_ref());
        self.members.send_replace(id);
        drop(table);
        self.moved();
        (id, receiver)
    }

    /// Removes a stream and returns its last state; `None` if the proxy has a newer one.
    pub(crate) fn close(&self, dataplane: &ResourceKey, id: u64) -> Option<SessionState> {
        let mut table = self.table.lock();
        let current = table
            .get(dataplane)
            .is_some_and(|session| session.state.id == id);
        let closed = if current {
            table.remove(dataplane)
        } else {
            None
        };
        self.keep_counts(closed.as_ref());
        if closed.is_some() {
            self.away
                .set(dataplane, Some(Absence::Left(Instant::now())));
        }
        drop(table);
        self.moved();
        closed.map(|session| session.state)
    }

    /// A new proxy is about to open its first stream: it does not serve yet.
    pub(crate) fn starts(&self, proxy: &ResourceKey) {
        let table = self.table.lock();
        if !table.contains_key(proxy) {
            self.away.set(proxy, Some(Absence::Starts));
        }
    }

    /// A proxy serves all that it was given up to this revision of the global.
    pub(crate) fn serves(&self, proxy: &ResourceKey, id: u64, served: Revision) {
        let table = self.table.lock();
        if table
            .get(proxy)
            .is_some_and(|session| session.state.id == id)
        {
            self.away.set(proxy, None);
        }
        drop(table);
        self.update(proxy, id, |state| state.served = served);
    }

    /// A proxy that is away will not come back.
    pub(crate) fn forget(&self, proxy: &ResourceKey) {
        let table = self.table.lock();
        if !table.contains_key(proxy) {
            self.away.set(proxy, None);
        }
    }

    /// The proxies that cannot be counted on.
    pub(crate) fn away(&self) -> &Away {
        &self.away
    }

    /// Whether the proxy has a stream.
    pub(crate) fn is_open(&self, dataplane: &ResourceKey) -> bool {
        self.table.lock().contains_key(dataplane)
    }

    /// Changes the state of a stream, unless a newer one has taken its place.
    pub(crate) fn update(
        &self,
        dataplane: &ResourceKey,
        id: u64,
        change: impl FnOnce(&mut SessionState),
    ) {
        if let Some(session) = self.table.lock().get_mut(dataplane)
            && session.state.id == id
        {
            change(&mut session.state);
            session.state.dirty = true;
        }
        self.moved();
    }

    /// Gives a proxy its newest configuration: the snapshot of what was compiled for it, with its identity.
    pub(crate) fn publish(
        &self,
        dataplane: &ResourceKey,
        compiled: Option<&Compiled>,
        identity: Option<IdentityState>,
        snapshot: Arc<Snapshot>,
    ) {
        let mut table = self.table.lock();
        let Some(session) = table.get_mut(dataplane) else {
            return;
        };
        let state = &mut session.state;
        state.gateway = compiled.and_then(|compiled| compiled.gateway.clone());
        state.delegated = compiled.is_some_and(|compiled| compiled.is_delegated);
        state.member = compiled.is_some_and(|compiled| compiled.is_member);
        let changed = state.identity != identity;
        if changed {
            state.identity = identity;
            state.dirty = true;
        }
        if let Some(snapshots) = &session.snapshots {
            snapshots.send_replace(Some(snapshot));
        }
        drop(table);
        if changed {
            self.moved();
        }
    }

    /// Gives a proxy a snapshot of the configuration that it has.
    pub(crate) fn send(&self, dataplane: &ResourceKey, snapshot: Arc<Snapshot>) {
        let table = self.table.lock();
        if let Some(snapshots) = table.get(dataplane).and_then(|it| it.snapshots.as_ref()) {
            snapshots.send_replace(Some(snapshot));
        }
    }

    /// Ends a stream, so that its proxy comes again and shows its token.
    pub(crate) fn ask_again(&self, dataplane: &ResourceKey, id: u64) {
        if let Some(session) = self.table.lock().get_mut(dataplane)
            && session.state.id == id
        {
            session.snapshots = None;
        }
    }

    /// The proxies that have a stream.
    pub(crate) fn open_streams(&self) -> HashMap<ResourceKey, OpenStream> {
        let table = self.table.lock();
        let open = |session: &Session| OpenStream {
            id: session.state.id,
            admitted: Arc::clone(&session.admitted),
            log_pipe: session.log_pipe.clone(),
        };
        let streams = table.iter();
        streams
            .filter(|(_, session)| session.snapshots.is_some())
            .map(|(dataplane, session)| (dataplane.clone(), open(session)))
            .collect()
    }

    /// Takes the states that changed since the last call.
    pub(crate) fn take_dirty(&self) -> Vec<(ResourceKey, SessionState)> {
        let mut table = self.table.lock();
        let dirty = table.iter_mut().filter(|(_, session)| session.state.dirty);
        dirty
            .map(|(key, session)| {
                session.state.dirty = false;
                (key.clone(), session.state.clone())
            })
            .collect()
    }

    /// The responses of all streams since the process started, by type URL.
    pub(crate) fn responses(&self) -> HashMap<String, Counts> {
        let table = self.table.lock();
        let mut all = self.past.lock().clone();
        for session in table.values() {
            add(&mut all, &session.state.counts);
        }
        all
    }

    fn keep_counts(&self, gone: Option<&Session>) {
        if let Some(session) = gone {
            add(&mut self.past.lock(), &session.state.counts);
        }
    }

    /// Waits until some proxy has acknowledged everything up to a revision.
    pub(crate) async fn served_somewhere(&self, revision: Revision) {
        let mut changes = self.changes();
        loop {
            let served = |session: &Session| session.state.served >= revision;
            if self.table.lock().values().any(served) {
                return;
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// What the global is told.
    pub(crate) fn instances(&self) -> Vec<InstanceStatus> {
        let table = self.table.lock();
        let mut instances: Vec<_> = table
            .iter()
            .map(|(key, session)| instance(key, &session.state))
            .collect();
        instances.sort_by(|a, b| (&a.mesh, &a.name).cmp(&(&b.mesh, &b.name)));
        instances
    }

    /// Moves whenever a stream or its state changes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Moves whenever a stream is opened.
    pub(crate) fn members(&self) -> watch::Receiver<u64> {
        self.members.subscribe()
    }

    fn moved(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }
}

fn add(sum: &mut HashMap<String, Counts>, counts: &HashMap<String, Counts>) {
    for (type_url, more) in counts {
        sum.entry(type_url.clone()).or_default().add(more);
    }
}

fn instance(key: &ResourceKey, state: &SessionState) -> InstanceStatus {
    let refused = state.refused.as_ref();
    InstanceStatus {
        mesh: key.mesh.to_string(),
        name: key.name.to_string(),
        gateway: state.gateway.as_deref().unwrap_or_default().to_owned(),
        delegated: state.delegated,
        member: state.member,
        served_revision: state.served,
        refused_type: refused
            .map(|refusal| refusal.type_url.clone())
            .unwrap_or_default(),
        refused_message: refused
            .map(|refusal| refusal.message.clone())
            .unwrap_or_default(),
        refused_revision: refused.map_or(0, |refusal| refusal.watermark),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{collections::BTreeSet, thread};

    use portolan_model::kinds;

    use super::*;

    #[test]
    fn responses_are_counted_on_over_streams() {
        let sessions = Sessions::new();
        let key = ResourceKey::in_mesh(kinds::DATAPLANE, "default", "edge");
        let mut ids = Vec::new();
        for _ in 0..3 {
            let (id, _) = sessions.open(&key, Version::default(), WorkloadTags::new(), None);
            sessions.update(&key, id, |state| state.counts_of("type").sent += 1);
            ids.push(id);
        }
        assert_eq!(sessions.responses()["type"].sent, 3);
        for id in ids {
            sessions.close(&key, id);
        }
        assert_eq!(sessions.responses()["type"].sent, 3);
    }

    #[test]
    fn streams_that_open_at_once_have_ids_of_their_own() {
        let sessions = Sessions::new();
        let open = |thread: usize| {
            let sessions = Arc::clone(&sessions);
            move || {
                let ids = (0..200).map(|number| {
                    let name = format!("edge-{thread}-{number}");
                    let key = ResourceKey::in_mesh(kinds::DATAPLANE, "default", name);
                    let tags = WorkloadTags::new();
                    sessions.open(&key, Version::default(), tags, None).0
                });
                ids.collect::<Vec<_>>()
            }
        };
        let threads: Vec<_> = (0..4).map(|number| thread::spawn(open(number))).collect();
        let ids = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap());
        assert_eq!(ids.collect::<BTreeSet<_>>(), (1..=800).collect());
    }
}
