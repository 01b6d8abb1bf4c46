//! The instances of this host: started and ended until they are what the zone has assigned.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use portolan_proto::status::{
    Assignment, PoolStatus, PooledInstance, Share, pooled_instance::Phase,
};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::info;
use uuid::Uuid;

use super::{
    instance::{Host, State, supervise},
    steps::{Running, free_number, steps},
};

/// Mesh and MeshGatewayInstance, and the number among their instances.
type Key = (String, String, u32);

/// One instance.
struct Member {
    /// As it was started.
    share: Share,
    name: String,
    state: watch::Receiver<State>,
    stop: CancellationToken,
}

impl Member {
    /// Whether an instance that is started now would be the same.
    fn is_current(&self, share: &Share) -> bool {
        self.share.tags == share.tags && self.share.resources == share.resources
    }
}

/// All instances.
pub(super) struct Crew {
    host: Arc<Host>,
    members: BTreeMap<Key, Member>,
    tasks: JoinSet<()>,
    changes: watch::Sender<u64>,
    status: watch::Sender<PoolStatus>,
}

/// What a pool says that runs nothing yet.
pub(super) fn first_status(pool: &str) -> PoolStatus {
    PoolStatus {
        name: pool.to_owned(),
        process_id: Uuid::new_v4().to_string(),
        ..PoolStatus::default()
    }
}

impl Crew {
    /// No instance yet; `status` is kept up to date.
    pub(super) fn new(host: Host, status: watch::Sender<PoolStatus>) -> Self {
        Self {
            host: Arc::new(host),
            members: BTreeMap::new(),
            tasks: JoinSet::new(),
            changes: watch::Sender::new(0),
            status,
        }
    }

    /// Follows the assignments until cancelled, then ends all instances.
    pub(super) async fn run(
        mut self,
        mut assignments: watch::Receiver<Option<Assignment>>,
        cancel: &CancellationToken,
    ) {
        let mut changes = self.changes.subscribe();
        while !cancel.is_cancelled() {
            let assignment = assignments.borrow_and_update().clone();
            changes.mark_unchanged();
            if let Some(assignment) = assignment {
                self.approach(&assignment);
            }
            self.tell(false);
            tokio::select! {
                changed = assignments.changed() => if changed.is_err() { break },
                _ = changes.changed() => {}
                Some(_) = self.tasks.join_next() => self.forget_ended(),
                () = cancel.cancelled() => {}
            }
        }
        self.end(changes).await;
    }

    /// Lets all take their leave. The zone hears of it first, so that others take over meanwhile.
    async fn end(mut self, mut changes: watch::Receiver<u64>) {
        for member in self.members.values() {
            member.stop.cancel();
        }
        loop {
            changes.mark_unchanged();
            self.tell(true);
            tokio::select! {
                ended = self.tasks.join_next() => match ended {
                    Some(_) => self.forget_ended(),
                    None => return,
                },
                _ = changes.changed() => {}
            }
        }
    }

    /// Forgets those whose tasks have ended, also one that panicked.
    fn forget_ended(&mut self) {
        let runs = |member: &Member| member.state.has_changed().is_ok();
        self.members.retain(|_, member| runs(member));
    }

    /// The next steps towards an assignment.
    fn approach(&mut self, assignment: &Assignment) {
        let mut shares: BTreeMap<(String, String), Share> = BTreeMap::new();
        for share in &assignment.shares {
            shares.insert((share.mesh.clone(), share.gateway.clone()), share.clone());
        }
        let gateways = self
            .members
            .keys()
            .map(|(mesh, name, _)| (mesh.clone(), name.clone()));
        let gateways: BTreeSet<_> = gateways.chain(shares.keys().cloned()).collect();
        for gateway in gateways {
            self.approach_share(&gateway, shares.get(&gateway));
        }
    }

    fn approach_share(&mut self, (mesh, gateway): &(String, String), share: Option<&Share>) {
        let key = |number| (mesh.clone(), gateway.clone(), number);
        let of_gateway = self.members.range(key(0)..=key(u32::MAX));
        let staying = of_gateway.filter(|(_, member)| !member.stop.is_cancelled());
        let running = staying.map(|((_, _, number), member)| Running {
            number: *number,
            is_ready: member.state.borrow().phase == Phase::Ready,
            is_current: share.is_some_and(|share| member.is_current(share)),
        });
        let next = steps(
            &running.collect::<Vec<_>>(),
            share.map_or(0, |share| share.count),
        );
        for number in next.end {
            if let Some(member) = self.members.get(&key(number)) {
                info!(instance = member.name, "ending the instance");
                member.stop.cancel();
            }
        }
        for share in share
            .iter()
            .cycle()
            .take(next.start.try_into().unwrap_or_default())
        {
            let number = free_number(|number| self.members.contains_key(&key(number)));
            self.start(key(number), share);
        }
    }

    fn start(&mut self, key: Key, share: &Share) {
        let name = self.host.instance_name(&key.1, key.2);
        info!(instance = name, "starting an instance");
        let (sender, state) = watch::channel(State::default());
        let stop = CancellationToken::new();
        let member = Member {
            share: share.clone(),
            name: name.clone(),
            state: state.clone(),
            stop: stop.clone(),
        };
        let (host, share) = (Arc::clone(&self.host), share.clone());
        self.tasks
            .spawn(async move { supervise(&host, &share, &name, sender, stop).await });
        self.members.insert(key, member);
        tokio::spawn(forward(state, self.changes.clone()));
    }

    fn tell(&self, leaving: bool) {
        let instances = self.members.iter().map(|((mesh, gateway, _), member)| {
            let State { phase, message } = member.state.borrow().clone();
            let phase = match member.stop.is_cancelled() {
                true => Phase::Draining,
                false => phase,
            };
            PooledInstance {
                mesh: mesh.clone(),
                gateway: gateway.clone(),
                name: member.name.clone(),
                phase: phase.into(),
                message,
            }
        });
        let instances: Vec<_> = instances.collect();
        self.status.send_if_modified(|status| {
            let modified = status.instances != instances || status.leaving != leaving;
            status.instances = instances;
            status.leaving = leaving;
            modified
        });
    }
}

/// Moves `changes` with each change of a state.
async fn forward(mut state: watch::Receiver<State>, changes: watch::Sender<u64>) {
    while state.changed().await.is_ok() {
        changes.send_modify(|changes| *changes += 1);
    }
}
