//! Stores under test, and short words for writes.

use std::sync::Arc;

use portolan_model::{Kind, Labels, ResourceKey, kinds};
use portolan_sandbox::postgres::Postgres as Server;
use portolan_store::{
    Batch, Committed, Expect, OpenError, Retention, SecretKey, SecretKeys, Store, StoreError, Write,
};
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
        Self::open_with(folder, &[KEY]).await.unwrap()
    }

    /// Opens with these keys, newest first.
    pub async fn open_with(folder: tempfile::TempDir, keys: &[&str]) -> Result<Self, OpenError> {
        let path = folder.path().join("test.db");
        let cancel = CancellationToken::new();
        // The writer that was told to stop may take a moment to let go of the file.
        let store = loop {
            let (keys, cancel) = (secret_keys(keys), cancel.clone());
            match portolan_store::sqlite::open(&path, keys, Retention::default(), cancel).await {
                Err(OpenError::InUse(_)) => tokio::task::yield_now().await,
                other => break other?,
            }
        };
        Ok(Self {
            store,
            cancel,
            folder,
        })
    }

    /// Stops it and leaves the folder.
    pub fn stop(self) -> tempfile::TempDir {
        self.cancel.cancel();
        self.folder
    }
}

impl Subject for Sqlite {
    fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    async fn reopen(self) -> Option<Self> {
        Some(Self::open(self.stop()).await)
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
        Self::open_with(server, &[KEY]).await.unwrap()
    }

    /// Opens with these keys, newest first.
    pub async fn open_with(server: Server, keys: &[&str]) -> Result<Self, OpenError> {
        let cancel = CancellationToken::new();
        let store = connect(&server, keys, cancel.clone()).await?;
        Ok(Self {
            store,
            cancel,
            server,
        })
    }

    /// Stops it and leaves the database.
    pub fn stop(self) -> Server {
        self.cancel.cancel();
        self.server
    }

    /// One more replica on the same database.
    pub async fn replica(&self) -> Arc<dyn Store> {
        connect(&self.server, &[KEY], self.cancel.clone())
            .await
            .unwrap()
    }
}

/// A replica with these keys.
pub async fn connect(
    server: &Server,
    keys: &[&str],
    cancel: CancellationToken,
) -> Result<Arc<dyn Store>, OpenError> {
    let keys = secret_keys(keys);
    portolan_store::postgres::connect(&server.url(), keys, Retention::default(), cancel).await
}

impl Subject for Postgres {
    fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    async fn reopen(self) -> Option<Self> {
        Some(Self::open(self.stop()).await)
    }
}

/// The key of stores that are opened without further ado.
pub const KEY: &str = "b25lIG9mIHRoZSBrZXlzIHRoYXQgdGVzdHMgdXNlLi4=";

/// Keys from their text.
pub fn secret_keys(texts: &[&str]) -> SecretKeys {
    let keys = texts.iter().map(|text| text.parse().unwrap());
    let keys: Vec<SecretKey> = keys.collect();
    SecretKeys::new(&keys[0], &keys[1..])
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
        created: None,
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
