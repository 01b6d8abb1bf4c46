//! The one task that writes: it groups what waits, lets the disk take it in one transaction, publishes
//! the new snapshot, and only then answers. It also takes over what other replicas wrote.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use jiff::Timestamp;
use portolan_model::Revision;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::{
    batch::{Batch, Committed},
    evaluate::evaluate,
    index::{Change, Index, Snapshot},
    seal::{CannotSeal, SealError},
    store::{Observer, Store, StoreError},
};

/// Batches that may wait; more are held back in their callers.
const QUEUE: usize = 1024;
/// Most batches of one transaction.
const GROUP: usize = 512;
/// How long a caller waits before it is told that the store is not available.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often old changes are compacted.
const COMPACTION: Duration = Duration::from_secs(60);

/// Where changes are kept.
#[async_trait]
pub(crate) trait Disk: Send + 'static {
    /// Writes the changes and the watermark of `state` in one step, unless somebody else has committed what
    /// `state` lacks: then it writes nothing, and answers false.
    async fn commit_if_current(
        &mut self,
        _changes: &[Change],
        _state: &Snapshot,
    ) -> Result<bool, DiskError> {
        Ok(false)
    }

    /// Opens a transaction that no other writer can interleave with, and brings `state` up to what is
    /// committed.
    async fn begin(&mut self, state: &mut Snapshot) -> Result<(), DiskError>;

    /// Writes the changes and the watermark of `state`, and commits.
    async fn commit(&mut self, changes: &[Change], state: &Snapshot) -> Result<(), DiskError>;

    /// Ends the transaction without writing.
    async fn rollback(&mut self) -> Result<(), DiskError>;

    /// Waits until another writer has committed beyond `known`, as far as it tells.
    async fn news(&mut self, known: Revision);

    /// Takes over what others committed. Connects again if the connection was lost.
    async fn catch_up(&mut self, state: &mut Snapshot) -> Result<(), DiskError>;

    /// Forgets changes older than the retention.
    async fn compact(&mut self, state: &Snapshot) -> Result<(), DiskError>;
}

/// What can happen on the way to a disk.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiskError {
    /// Nothing was written.
    #[error("{0}")]
    Unavailable(String),
    /// It is not known whether the transaction was committed.
    #[error("{0}")]
    Unknown(String),
    /// Somebody wrote a secret that this process cannot decrypt. It must not go on with less than all.
    #[error(transparent)]
    Sealed(#[from] SealError),
}

impl From<CannotSeal> for DiskError {
    fn from(error: CannotSeal) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<sqlx::Error> for DiskError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

struct Pending {
    batch: Batch,
    answer: oneshot::Sender<Result<Committed, StoreError>>,
}

/// The front of a store: callers queue here.
pub(crate) struct Queued {
    index: Arc<Index>,
    queue: mpsc::Sender<Pending>,
    observer: Observed,
}

/// Who is told what the writer does, once there is somebody.
type Observed = Arc<OnceLock<Box<dyn Observer>>>;

#[async_trait]
impl Store for Queued {
    async fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
        let (answer, answered) = oneshot::channel();
        let stopped = || StoreError::Unavailable("the control plane is stopping".to_owned());
        let waiting = self
            .queue
            .send_timeout(Pending { batch, answer }, PATIENCE)
            .await;
        waiting.map_err(|_| StoreError::Unavailable("too many writes are waiting".to_owned()))?;
        answered.await.map_err(|_| stopped())?
    }

    fn index(&self) -> &Arc<Index> {
        &self.index
    }

    fn observe(&self, observer: Box<dyn Observer>) {
        // The first one stays.
        let _ = self.observer.set(observer);
    }
}

/// Starts the writer over a disk whose content is `state`.
pub(crate) fn start(disk: impl Disk, state: Snapshot, cancel: CancellationToken) -> Arc<dyn Store> {
    let index = Index::new(state.clone());
    let (queue, waiting) = mpsc::channel(QUEUE);
    let observer = Observed::default();
    let writer = Writer {
        disk,
        state,
        index: Arc::clone(&index),
        observer: Arc::clone(&observer),
        cancel,
    };
    tokio::spawn(writer.run(waiting));
    Arc::new(Queued {
        index,
        queue,
        observer,
    })
}

struct Writer<D> {
    disk: D,
    state: Snapshot,
    index: Arc<Index>,
    observer: Observed,
    cancel: CancellationToken,
}

impl<D: Disk> Writer<D> {
    async fn run(mut self, mut waiting: mpsc::Receiver<Pending>) {
        let mut compaction = tokio::time::interval(COMPACTION);
        compaction.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        compaction.tick().await;
        let mut group = Vec::new();
        let cancel = self.cancel.clone();
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                count = waiting.recv_many(&mut group, GROUP) => {
                    if count == 0 {
                        return;
                    }
                    self.write(group.drain(..)).await;
                }
                () = self.disk.news(self.state.revision()) => self.catch_up().await,
                _ = compaction.tick() => self.compact().await,
            }
        }
        // What is queued when the order to stop comes was promised nothing; its callers are told.
        waiting.close();
        while waiting.recv().await.is_some() {}
    }

    async fn catch_up(&mut self) {
        let mut state = self.state.clone();
        match self.disk.catch_up(&mut state).await {
            Ok(()) => {
                let written = state.last_modified_after(self.state.revision());
                if self.publish(state) {
                    self.followed(written);
                }
            }
            Err(error @ DiskError::Sealed(_)) => self.stop(&error),
            Err(error) => debug!(%error, "the database is away"),
        }
    }

    /// Tells that what another process wrote, the newest of it at that time, is here.
    fn followed(&self, written: Option<Timestamp>) {
        debug!(revision = self.state.revision(), "followed another process");
        if let (Some(observer), Some(written)) = (self.observer.get(), written) {
            let lag = Timestamp::now().duration_since(written);
            // Clocks of two machines may differ by more than the way takes.
            observer.followed(lag.try_into().unwrap_or_default());
        }
    }

    /// Ends the process: an index without a secret that others see would make zones drop it.
    fn stop(&self, error: &DiskError) {
        error!(%error, "stopping: another process wrote a secret that cannot be decrypted here");
        self.cancel.cancel();
    }

    async fn compact(&mut self) {
        if let Err(error) = self.disk.compact(&self.state).await {
            warn!(%error, "old changes were not compacted; trying again later");
        }
    }

    async fn write(&mut self, group: impl Iterator<Item = Pending>) {
        let start = Instant::now();
        let (answers, outcome) = self.transact(group).await;
        match outcome {
            Ok(state) => {
                if self.publish(state) {
                    self.committed(answers.len(), start.elapsed());
                }
                for (answer, result) in answers {
                    // A caller that has gone away does not want to know.
                    let _ = answer.send(result);
                }
            }
            Err(error) => {
                warn!(%error, writes = answers.len(), "writes failed");
                if let Some(observer) = self.observer.get() {
                    observer.failed();
                }
                for (answer, result) in answers {
                    let _ = answer.send(result.and(Err(StoreError::from(&error))));
                }
                if matches!(error, DiskError::Sealed(_)) {
                    self.stop(&error);
                }
            }
        }
    }

    fn committed(&self, batches: usize, took: Duration) {
        let watermark = self.state.watermark().map(|watermark| watermark.revision);
        debug!(
            revision = self.state.revision(),
            watermark,
            batches,
            ?took,
            "committed"
        );
        if let Some(observer) = self.observer.get() {
            observer.committed(batches, took);
        }
    }

    /// Writes what waits: at first as if nobody else wrote, and if somebody did, under the lock.
    async fn transact(
        &mut self,
        group: impl Iterator<Item = Pending>,
    ) -> (Vec<Answer>, Result<Snapshot, DiskError>) {
        let (batches, answers): (Vec<_>, Vec<_>) =
            group.map(|pending| (pending.batch, pending.answer)).unzip();
        let attempt = Attempt::on(self.state.clone(), batches.clone());
        let written = if attempt.changes.is_empty() {
            Ok(false)
        } else {
            self.disk
                .commit_if_current(&attempt.changes, &attempt.state)
                .await
        };
        let (results, ended) = match written {
            Ok(true) => (attempt.results, Ok(attempt.state)),
            Ok(false) => self.transact_locked(batches).await,
            Err(error) => (attempt.results, Err(error)),
        };
        (answers.into_iter().zip(results).collect(), ended)
    }

    async fn transact_locked(
        &mut self,
        batches: Vec<Batch>,
    ) -> (Vec<Answered>, Result<Snapshot, DiskError>) {
        let mut state = self.state.clone();
        if let Err(error) = self.disk.begin(&mut state).await {
            let results = batches
                .iter()
                .map(|_| Err(StoreError::from(&error)))
                .collect();
            return (results, Err(error));
        }
        let before = state.watermark().cloned();
        let attempt = Attempt::on(state, batches);
        let ended = if attempt.changes.is_empty() && before.as_ref() == attempt.state.watermark() {
            self.disk.rollback().await
        } else {
            self.disk.commit(&attempt.changes, &attempt.state).await
        };
        (attempt.results, ended.map(|()| attempt.state))
    }

    /// Makes this the newest state; whether it is another than before.
    fn publish(&mut self, state: Snapshot) -> bool {
        let moved = state.revision() != self.state.revision()
            || state.horizon() != self.state.horizon()
            || state.watermark() != self.state.watermark();
        self.state = state;
        if moved {
            self.index.publish(self.state.clone());
        }
        moved
    }
}

type Answered = Result<Committed, StoreError>;
type Answer = (oneshot::Sender<Answered>, Answered);

/// What a group of batches comes to on top of a state.
struct Attempt {
    results: Vec<Answered>,
    changes: Vec<Change>,
    state: Snapshot,
}

impl Attempt {
    fn on(mut state: Snapshot, batches: Vec<Batch>) -> Self {
        let now = Timestamp::now();
        let mut changes = Vec::new();
        let mut commit = |batch| {
            let evaluated = evaluate(&mut state, batch, now)?;
            changes.extend(evaluated.changes);
            Ok(Committed {
                revision: state.revision(),
                outcomes: evaluated.outcomes,
            })
        };
        let results = batches.into_iter().map(&mut commit).collect();
        Self {
            results,
            changes,
            state,
        }
    }
}

impl From<&DiskError> for StoreError {
    fn from(error: &DiskError) -> Self {
        match error {
            DiskError::Unavailable(reason) => Self::Unavailable(reason.clone()),
            DiskError::Unknown(reason) => Self::Unknown(reason.clone()),
            DiskError::Sealed(error) => Self::Unavailable(error.to_string()),
        }
    }
}
