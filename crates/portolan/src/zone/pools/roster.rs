//! The pools that have joined, and what each is to run.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use parking_lot::Mutex;
use portolan_identity::tokens::DataplaneClaims;
use portolan_proto::status::{Assignment, PoolStatus, pooled_instance::Phase};
use tokio::{sync::watch, time::Instant};

/// Mesh and name of a MeshGatewayInstance.
pub(super) type GatewayKey = (String, String);

/// One pool.
#[derive(Debug)]
pub(super) struct Member {
    /// What it said last.
    pub(super) status: PoolStatus,
    /// Whom its token is for; `None` where no token is asked for.
    pub(super) claims: Option<DataplaneClaims>,
    /// Since when it is away.
    pub(super) lost: Option<Instant>,
    /// What was assigned to it; until then, what it ran when it joined.
    pub(super) held: BTreeMap<GatewayKey, u32>,
    stream: u64,
    assignments: watch::Sender<Option<Assignment>>,
}

impl Member {
    /// Gives it its share.
    pub(super) fn assign(&mut self, held: BTreeMap<GatewayKey, u32>, assignment: Assignment) {
        self.held = held;
        self.assignments.send_if_modified(|current| {
            let differs = current.as_ref() != Some(&assignment);
            *current = Some(assignment);
            differs
        });
    }
}

/// A pool's place in the roster, while its stream is open.
#[derive(Debug)]
pub(super) struct Joined {
    /// Tells the stream from others of the pool.
    pub(super) stream: u64,
    /// The pool's share, once there is one.
    pub(super) assignments: watch::Receiver<Option<Assignment>>,
}

/// Another process has the name.
#[derive(Debug, thiserror::Error)]
#[error("another pool is named {0:?} and connected; give each pool of a zone its own --name")]
pub(super) struct NameTaken(String);

/// All pools by name. Every change moves [`Roster::changes`].
pub(super) struct Roster {
    members: Mutex<BTreeMap<String, Member>>,
    changes: watch::Sender<u64>,
}

impl Roster {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            members: Mutex::default(),
            changes: watch::Sender::new(0),
        })
    }

    /// Moves whenever a pool comes, goes or says something new.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Adds a pool. The stream that the same process had before is forgotten.
    ///
    /// # Errors
    /// [`NameTaken`] while another process of that name is connected.
    pub(super) fn join(
        &self,
        status: PoolStatus,
        claims: Option<DataplaneClaims>,
    ) -> Result<Joined, NameTaken> {
        let mut members = self.members.lock();
        let before = members.get(&status.name);
        if before.is_some_and(|it| it.lost.is_none() && it.status.process_id != status.process_id) {
            return Err(NameTaken(status.name));
        }
        let stream = *self.changes.borrow() + 1;
        let assignments = watch::Sender::new(None);
        let joined = Joined {
            stream,
            assignments: assignments.subscribe(),
        };
        let member = Member {
            claims,
            lost: None,
            held: running(&status),
            stream,
            assignments,
            status,
        };
        members.insert(member.status.name.clone(), member);
        // Under the lock, so that no two streams have one number.
        self.changes.send_replace(stream);
        Ok(joined)
    }

    /// Takes what a pool says, unless a newer stream of its has taken over.
    pub(super) fn report(&self, stream: u64, status: PoolStatus) {
        self.update(&status.name.clone(), stream, |member| {
            member.status = status
        });
    }

    /// A stream has ended.
    pub(super) fn lose(&self, name: &str, stream: u64) {
        self.update(name, stream, |member| member.lost = Some(Instant::now()));
    }

    fn update(&self, name: &str, stream: u64, change: impl FnOnce(&mut Member)) {
        let mut members = self.members.lock();
        if let Some(member) = members.get_mut(name)
            && member.stream == stream
        {
            change(member);
            self.changes.send_modify(|changes| *changes += 1);
        }
    }

    /// Reads and changes all pools at once.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut BTreeMap<String, Member>) -> T) -> T {
        change(&mut self.members.lock())
    }
}

/// What a pool runs and goes on running.
fn running(status: &PoolStatus) -> BTreeMap<GatewayKey, u32> {
    let mut counts = HashMap::<GatewayKey, u32>::new();
    let stay = status
        .instances
        .iter()
        .filter(|it| it.phase() != Phase::Draining);
    for instance in stay {
        let key = (instance.mesh.clone(), instance.gateway.clone());
        *counts.entry(key).or_default() += 1;
    }
    counts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use portolan_proto::status::PooledInstance;

    use super::*;

    fn status(process: &str, phases: &[Phase]) -> PoolStatus {
        let instance = |phase: &Phase| PooledInstance {
            mesh: "default".to_owned(),
            gateway: "edge".to_owned(),
            phase: (*phase).into(),
            ..PooledInstance::default()
        };
        PoolStatus {
            name: "host-1".to_owned(),
            process_id: process.to_owned(),
            instances: phases.iter().map(instance).collect(),
            ..PoolStatus::default()
        }
    }

    fn held(roster: &Roster) -> u32 {
        let key = ("default".to_owned(), "edge".to_owned());
        roster.with(|all| all["host-1"].held.get(&key).copied().unwrap_or_default())
    }

    #[test]
    fn a_pool_brings_what_it_runs_and_not_what_it_ends() {
        let roster = Roster::new();
        let phases = [Phase::Ready, Phase::Starting, Phase::Draining];
        roster.join(status("p", &phases), None).unwrap();
        assert_eq!(held(&roster), 2);
    }

    #[test]
    fn a_name_is_free_once_its_pool_is_lost() {
        let roster = Roster::new();
        let first = roster.join(status("p", &[]), None).unwrap();
        let error = roster.join(status("q", &[]), None).unwrap_err().to_string();
        assert!(
            error.contains("\"host-1\"") && error.contains("--name"),
            "{error}"
        );
        roster.lose("host-1", first.stream);
        roster.join(status("q", &[]), None).unwrap();
    }

    #[test]
    fn an_older_stream_of_a_pool_has_nothing_more_to_say() {
        let roster = Roster::new();
        let first = roster.join(status("p", &[]), None).unwrap();
        let second = roster.join(status("p", &[Phase::Ready]), None).unwrap();
        roster.report(first.stream, status("p", &[]));
        roster.lose("host-1", first.stream);
        roster.with(|all| {
            assert!(all["host-1"].lost.is_none());
            assert_eq!(all["host-1"].status.instances.len(), 1);
        });
        assert!(first.assignments.has_changed().is_err(), "it has ended");
        roster.lose("host-1", second.stream);
        roster.with(|all| assert!(all["host-1"].lost.is_some()));
    }
}
