//! Stores under test, and short words for writes.

use std::sync::Arc;

use portolan_model::{Kind, Labels, ResourceKey, kinds};
use portolan_sandbox::postgres::Postgres as Server;
use portolan_store::{Batch, Committed, Expect, Retention, Store, StoreError, Write};
use tokio_util::sync::CancellationToken;

/// A kind of store.
pub trait Subject {
    /// The store.
    fn store(&self) -> &Arc<dyn Store>;

    /// Stops it and opens what is on disk; `None` for one that keeps nothing.
    fn reopen(self) -> impl Future<Output = Option<Self>>
    where
        Self: Sized;
}

pub struct Memory(Arc<dyn Store>);

impl Memory {
    pub async fn start() -> Self {
        Self(portolan_store::memory::new(CancellationToken::new()))
    }
}

impl Subject for Memory {
    fn store(&self) -> &Arc<dyn Store> {
        &self.0
    }

    async fn reopen(self) -> Option<Self> {
        None
    }
}

pub struct Sqlite {
    store: Arc<dyn Store>,
    cancel: CancellationToken,
    folder: tempfile::TempDir,
}

impl Sqlite {
    pub async fn start() -> Self {
        Self::open(tempfile::tempdir().unwrap()).await
    }

    async fn open(folder: tempfile::TempDir) -> Self {
        let path = folder.path().join("test.db");
        let cancel = CancellationToken::new();
        // The writer that was told to stop may take a moment to let go of the file.
        let store = loop {
            match portolan_store::sqlite::open(&path, Retention::default(), cancel.clone()).await {
                Ok(store) => break store,
                Err(portolan_store::OpenError::InUse(_)) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        };
        Self {
            store,
            cancel,
            folder,
        }
    }
}

impl Subject for Sqlite {
    fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    async fn reopen(self) -> Option<Self> {
        self.cancel.cancel();
        drop(self.store);
        Some(Self::open(self.folder).await)
    }
}

pub struct Postgres {
    store: Arc<dyn Store>,
    cancel: CancellationToken,
    pub server: Server,
}

impl Postgres {
    pub async fn start() -> Self {
        Self::open(Server::start().await.unwrap()).await
    }

    async fn open(server: Server) -> Self {
        let cancel = CancellationToken::new();
        let store = connect(&server, cancel.clone()).await;
        Self {
            store,
            cancel,
            server,
        }
    }

    /// One more replica on the same database.
    pub async fn replica(&self) -> Arc<dyn Store> {
        connect(&self.server, self.cancel.clone()).await
    }
}

async fn connect(server: &Server, cancel: CancellationToken) -> Arc<dyn Store> {
    portolan_store::postgres::connect(&server.url(), Retention::default(), cancel)
        .await
        .unwrap()
}

impl Subject for Postgres {
    fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    async fn reopen(self) -> Option<Self> {
        self.cancel.cancel();
        drop(self.store);
        Some(Self::open(self.server).await)
    }
}

/// The kind that most cases write.
pub const KIND: Kind = kinds::MESH_GATEWAY_ROUTE;

pub fn key(name: &str) -> ResourceKey {
    ResourceKey::in_mesh(KIND, "default", name)
}

pub fn labels(value: &str) -> Labels {
    [("value".to_owned(), value.to_owned())].into()
}

pub fn put(name: &str, value: &str) -> Write {
    put_if(name, value, Expect::Any)
}

pub fn put_if(name: &str, value: &str, expect: Expect) -> Write {
    Write::Put {
        key: key(name),
        labels: labels(value),
        spec: Default::default(),
        expect,
    }
}

pub fn delete(name: &str) -> Write {
    Write::Delete {
        key: key(name),
        expect: Expect::Any,
    }
}

pub async fn commit(store: &Arc<dyn Store>, writes: Vec<Write>) -> Result<Committed, StoreError> {
    store
        .commit(Batch {
            writes,
            ..Batch::default()
        })
        .await
}

/// Name and value of everything that is there.
pub fn content(store: &Arc<dyn Store>) -> Vec<(String, String, u64)> {
    let snapshot = store.index().snapshot();
    snapshot
        .list(KIND, None)
        .map(|resource| {
            (
                resource.key.name.to_string(),
                resource.labels["value"].clone(),
                resource.version,
            )
        })
        .collect()
}
