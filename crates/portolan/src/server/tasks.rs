//! One supervisor for the tasks of a process.

use std::future::Future;

use anyhow::{Context, anyhow, bail};
use tokio::{signal::unix, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Tasks that live as long as the process. One that ends before it was told to ends the process.
pub(crate) struct Tasks {
    cancel: CancellationToken,
    set: JoinSet<(&'static str, anyhow::Result<()>)>,
}

impl Tasks {
    /// No task yet; all are told to end by `cancel`.
    pub(crate) fn new(cancel: CancellationToken) -> Self {
        Self {
            cancel,
            set: JoinSet::new(),
        }
    }

    /// Starts a task under a name that appears in messages.
    pub(crate) fn spawn<F>(&mut self, name: &'static str, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.set.spawn(async move { (name, task.await) });
    }

    /// Runs until SIGINT, SIGTERM or cancellation, then lets every task end by itself.
    ///
    /// # Errors
    /// The error of the first task that failed, or the name of one that ended too early. Cancellation comes
    /// from inside, from what cannot go on, and is an error too.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let mut terminate =
            unix::signal(unix::SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let outcome = tokio::select! {
            _ = tokio::signal::ctrl_c() => Ok(()),
            _ = terminate.recv() => Ok(()),
            () = self.cancel.cancelled() => Err(anyhow!("it cannot go on; the log says why")),
            ended = self.set.join_next() => ended.map_or(Ok(()), early_end),
        };
        info!("stopping");
        self.cancel.cancel();
        while let Some(ended) = self.set.join_next().await {
            let (name, result) = ended.context("a task panicked")?;
            result.with_context(|| format!("{name} failed"))?;
        }
        outcome
    }
}

type Ended = Result<(&'static str, anyhow::Result<()>), tokio::task::JoinError>;

fn early_end(ended: Ended) -> anyhow::Result<()> {
    let (name, result) = ended.context("a task panicked")?;
    result.with_context(|| format!("{name} failed"))?;
    bail!("{name} ended unexpectedly")
}
