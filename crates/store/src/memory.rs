//! A store that keeps nothing: for tests only.

use std::{future::pending, sync::Arc};

use async_trait::async_trait;
use portolan_model::Revision;
use tokio_util::sync::CancellationToken;

use crate::{
    engine::{self, Disk, DiskError},
    index::{Change, Snapshot},
    store::Store,
};

/// An empty store; everything is gone with it.
pub fn new(cancel: CancellationToken) -> Arc<dyn Store> {
    engine::start(Nowhere, Snapshot::empty("memory"), cancel)
}

/// An empty store that forgets deletions soon: beyond that many the older half.
pub fn forgetful(deletions: usize, cancel: CancellationToken) -> Arc<dyn Store> {
    let empty = Snapshot::remembering("memory", deletions);
    engine::start(Nowhere, empty, cancel)
}

struct Nowhere;

#[async_trait]
impl Disk for Nowhere {
    async fn begin(&mut self, _: &mut Snapshot) -> Result<(), DiskError> {
        Ok(())
    }

    async fn commit(&mut self, _: &[Change], _: &Snapshot) -> Result<(), DiskError> {
        Ok(())
    }

    async fn rollback(&mut self) -> Result<(), DiskError> {
        Ok(())
    }

    async fn news(&mut self, _: Revision) {
        pending().await
    }

    async fn catch_up(&mut self, _: &mut Snapshot) -> Result<(), DiskError> {
        Ok(())
    }

    async fn compact(&mut self, _: &Snapshot) -> Result<(), DiskError> {
        Ok(())
    }
}
