//! The one trait behind which Postgres, SQLite and memory stand.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use portolan_model::ResourceKey;

use crate::{
    batch::{Batch, Committed, Expect},
    index::Index,
};

/// A durable, ordered set of resources with an index in memory.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Writes a batch: all or nothing, durable, and in [`Store::index`] when this returns.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the batch was written, except with [`StoreError::Unknown`].
    async fn commit(&self, batch: Batch) -> Result<Committed, StoreError>;

    /// Every read is answered from here.
    fn index(&self) -> &Arc<Index>;

    /// Tells the observer from now on what the writer does; the first one stays. A store without a writer
    /// of its own has nothing to tell.
    fn observe(&self, _observer: Box<dyn Observer>) {}
}

/// Told what the writer of a store does. Calls come from its task and should return at once.
pub trait Observer: Send + Sync {
    /// One transaction with so many batches took so long.
    fn committed(&self, batches: usize, took: Duration);
    /// A transaction with at least one batch did not succeed.
    fn failed(&self);
    /// What another process wrote came in so long after it was written, by the clocks of both.
    fn followed(&self, lag: Duration);
}

/// Why a batch was not written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The optimistic lock did not hold. Read again and retry.
    #[error(
        "{key} was changed by another writer: expected {expected:?}, found version {found:?}; read it again and retry"
    )]
    Conflict {
        /// The resource.
        key: ResourceKey,
        /// What the writer expected.
        expected: Expect,
        /// The version that is there, if any.
        found: Option<u64>,
    },
    /// A resource that must exist does not.
    #[error("{key} does not exist")]
    Missing {
        /// The resource.
        key: ResourceKey,
    },
    /// A resource that must not exist does.
    #[error("{key} exists")]
    InTheWay {
        /// One such resource.
        key: ResourceKey,
    },
    /// The database cannot be reached or refuses. Nothing was written; try again later.
    #[error("the store is not available: {0}; try again")]
    Unavailable(String),
    /// The connection broke during commit: the batch may or may not have been written.
    #[error("the store was lost during commit ({0}); read again to see whether the write is there")]
    Unknown(String),
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process works on the file.
    #[error(
        "{} is in use by another process: stop it, or choose another data folder", .0.display()
    )]
    InUse(std::path::PathBuf),
    /// The file cannot be made or read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A secret in it cannot be decrypted.
    #[error(transparent)]
    Sealed(#[from] crate::seal::SealError),
    /// The database cannot be reached, or its content cannot be read.
    #[error("{0}")]
    Database(String),
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.to_string())
    }
}

impl From<crate::engine::DiskError> for OpenError {
    fn from(error: crate::engine::DiskError) -> Self {
        match error {
            crate::engine::DiskError::Sealed(error) => Self::Sealed(error),
            other => Self::Database(other.to_string()),
        }
    }
}
