//! Whether a process can do its work now.

use std::{sync::Arc, time::Duration};

use portolan_dataplane::run::{self, Phase};
use portolan_store::{Batch, Store};
use tokio::{sync::watch, time::timeout};

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a process needs to be ready, once its ports are bound and its index is loaded.
pub(crate) enum Readiness {
    /// A global: that its store takes writes.
    Store(Arc<dyn Store>),
    /// A zone: nothing more. It serves from memory whoever is away, the global or its own database.
    Alone,
    /// A data plane: that its Envoy says so.
    Envoy(watch::Receiver<Phase>),
}

impl Readiness {
    /// Asks now.
    ///
    /// # Errors
    /// What is missing, for people.
    pub(super) async fn check(&self) -> Result<(), String> {
        match timeout(PATIENCE, self.ask()).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    }

    async fn ask(&self) -> Result<(), String> {
        match self {
            // An empty batch goes the way of every write, up to a transaction that writes nothing.
            Self::Store(store) => match store.commit(Batch::default()).await {
                Ok(_) => Ok(()),
                Err(error) => Err(error.to_string()),
            },
            Self::Alone => Ok(()),
            Self::Envoy(phase) => {
                let phase = phase.borrow().clone();
                let missing = match phase {
                    Phase::Live { admin, .. } => {
                        if run::is_ready(&admin).await {
                            return Ok(());
                        }
                        "Envoy says that it is not"
                    }
                    Phase::Starting => "Envoy has no configuration yet",
                    Phase::Draining => "it drains",
                    Phase::Stopped => "Envoy has ended",
                };
                Err(missing.to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use portolan_store::memory;
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test]
    async fn a_global_is_ready_while_its_store_takes_writes() {
        let cancel = CancellationToken::new();
        let readiness = Readiness::Store(memory::new(cancel.clone()));
        assert_eq!(readiness.check().await, Ok(()));
        cancel.cancel();
        let reason = readiness.check().await.err().unwrap_or_default();
        assert!(reason.contains("stopping"), "{reason:?}");
    }

    #[tokio::test]
    async fn a_data_plane_is_as_ready_as_its_envoy() {
        let (phase, phases) = watch::channel(Phase::default());
        let readiness = Readiness::Envoy(phases);
        let nobody = Phase::Live {
            admin: "/nonexistent/admin.sock".into(),
            pid: 1,
        };
        for (phase_now, word) in [
            (Phase::Starting, "no configuration"),
            (nobody, "not"),
            (Phase::Draining, "drains"),
            (Phase::Stopped, "ended"),
        ] {
            phase.send_replace(phase_now);
            let reason = readiness.check().await.err().unwrap_or_default();
            assert!(reason.contains(word), "{reason:?}");
        }
    }
}
