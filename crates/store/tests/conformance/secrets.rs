//! Secrets on disk: never as they are, and never without their key.

use std::{path::Path, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use portolan_model::{ResourceKey, kinds};
use portolan_sandbox::postgres::Postgres as Server;
use portolan_store::{Expect, OpenError, SealError, StoreError, Write};
use sqlx::{
    ConnectOptions, Connection, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions,
};
use tokio_util::sync::CancellationToken;

use crate::support::{KEY, Postgres, Sqlite, Subject, commit, connect};

/// Another key than [`KEY`].
const OTHER: &str = "YW5vdGhlciBrZXkgdGhhdCB0ZXN0cyB1c2UuLi4uLi4=";
/// What nobody may find.
const VALUE: &str = "hunter2-hunter2";
/// Puts the ciphertext of each secret under the other's name.
const SWAP: &str = "UPDATE resources SET spec = (
    SELECT other.spec FROM resources other WHERE other.name <> resources.name AND other.kind = 'Secret'
) WHERE kind = 'Secret'";

type Sealed = (String, i64, i64, Vec<u8>);
/// Of both tables.
const ROWS: &str = "SELECT name, revision, version, spec FROM resources WHERE kind = 'Secret'
    UNION ALL SELECT name, revision, version, spec FROM changes WHERE kind = 'Secret'
    ORDER BY 2, 1";

/// What remains of a store that was stopped.
trait Stopped: Sized {
    type Open: Subject;

    async fn open(self, keys: &[&str]) -> Result<Self::Open, OpenError>;
    fn stop(store: Self::Open) -> Self;
    async fn rows(&self) -> Vec<Sealed>;
    async fn execute(&self, sql: &str);
}

impl Stopped for tempfile::TempDir {
    type Open = Sqlite;

    async fn open(self, keys: &[&str]) -> Result<Sqlite, OpenError> {
        Sqlite::open_with(self, keys).await
    }

    fn stop(store: Sqlite) -> Self {
        store.stop()
    }

    async fn rows(&self) -> Vec<Sealed> {
        let mut connection = sqlite(self.path()).await;
        sqlx::query_as(ROWS)
            .fetch_all(&mut connection)
            .await
            .unwrap()
    }

    async fn execute(&self, sql: &str) {
        let mut connection = sqlite(self.path()).await;
        sqlx::query(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

/// Waits until the store that was stopped has let go of its file.
async fn sqlite(folder: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(folder.join("test.db"));
    loop {
        let mut connection = options.connect().await.unwrap();
        if sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut connection)
            .await
            .is_ok()
        {
            sqlx::query("ROLLBACK")
                .execute(&mut connection)
                .await
                .unwrap();
            return connection;
        }
        tokio::task::yield_now().await;
    }
}

impl Stopped for Server {
    type Open = Postgres;

    async fn open(self, keys: &[&str]) -> Result<Postgres, OpenError> {
        Postgres::open_with(self, keys).await
    }

    fn stop(store: Postgres) -> Self {
        store.stop()
    }

    async fn rows(&self) -> Vec<Sealed> {
        let mut connection = PgConnection::connect(&self.url()).await.unwrap();
        sqlx::query_as(ROWS)
            .fetch_all(&mut connection)
            .await
            .unwrap()
    }

    async fn execute(&self, sql: &str) {
        let mut connection = PgConnection::connect(&self.url()).await.unwrap();
        sqlx::query(sql).execute(&mut connection).await.unwrap();
    }
}

fn key(name: &str) -> ResourceKey {
    ResourceKey::in_mesh(kinds::SECRET, "default", name)
}

fn put(name: &str, value: &str) -> Write {
    let json = serde_json::json!({ "data": STANDARD.encode(value) });
    Write::Put {
        key: key(name),
        labels: Default::default(),
        spec: kinds::SECRET.spec_from_json(&json).unwrap(),
        expect: Expect::Any,
        created: None,
    }
}

/// Value and version of a secret.
fn held(store: &impl Subject, name: &str) -> (String, u64) {
    let snapshot = store.store().index().snapshot();
    let secret = snapshot.get(&key(name)).unwrap();
    let data = kinds::secret::data(secret).unwrap();
    (String::from_utf8(data.to_vec()).unwrap(), secret.version)
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

/// A store with secrets `a` (twice written) and `b`.
async fn filled<S: Stopped>(stopped: S) -> S::Open {
    let open = stopped.open(&[KEY]).await.ok().unwrap();
    for (name, value) in [("a", "first"), ("a", VALUE), ("b", VALUE)] {
        commit(open.store(), vec![put(name, value)]).await.unwrap();
    }
    open
}

async fn refused<S: Stopped>(stopped: S, keys: &[&str]) -> SealError {
    match stopped.open(keys).await {
        Err(OpenError::Sealed(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    }
}

async fn nothing_is_readable_on_disk<S: Stopped>(stopped: S) -> S {
    let open = filled(stopped).await;
    let shown = format!(
        "{:?} {:?}",
        open.store().index().snapshot(),
        put("a", VALUE)
    );
    assert!(
        shown.contains("Secret/default/a") && !shown.contains(VALUE),
        "{shown}"
    );
    let stopped = S::stop(open);
    let rows = stopped.rows().await;
    assert_eq!(rows.len(), 2 + 3);
    for (name, revision, _, spec) in rows {
        assert!(
            !contains(&spec, VALUE) && !contains(&spec, "first"),
            "{name} {revision}"
        );
    }
    let again = stopped.open(&[KEY]).await.ok().unwrap();
    assert_eq!(held(&again, "a"), (VALUE.to_owned(), 2));
    S::stop(again)
}

async fn a_new_key_takes_over_at_start<S: Stopped>(stopped: S) {
    let stopped = S::stop(filled(stopped).await);
    let before = stopped.rows().await;
    let both = stopped.open(&[OTHER, KEY]).await.ok().unwrap();
    assert_eq!(held(&both, "a"), (VALUE.to_owned(), 2));
    let stopped = S::stop(both);
    let after = stopped.rows().await;
    let place = |row: &Sealed| (row.0.clone(), row.1, row.2);
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(place(before), place(after));
        assert_ne!(before.3, after.3, "revision {}", after.1);
    }
    let new_alone = stopped.open(&[OTHER]).await.ok().unwrap();
    assert_eq!(held(&new_alone, "b"), (VALUE.to_owned(), 1));
    commit(new_alone.store(), vec![put("b", "third")])
        .await
        .unwrap();
    let error = refused(S::stop(new_alone), &[KEY]).await;
    assert!(matches!(error, SealError::UnknownKey { .. }), "{error}");
    assert!(error.to_string().contains("--secret-key-file"), "{error}");
}

async fn swapped_ciphertexts_are_refused<S: Stopped>(stopped: S) {
    let stopped = S::stop(filled(stopped).await);
    stopped.execute(SWAP).await;
    let error = refused(stopped, &[KEY]).await;
    assert!(matches!(error, SealError::Damaged { .. }), "{error}");
}

mod on_sqlite {
    use super::*;

    #[tokio::test]
    async fn nothing_is_readable() {
        let folder = nothing_is_readable_on_disk(tempfile::tempdir().unwrap()).await;
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let path = file.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            assert!(!contains(&bytes, VALUE), "{}", path.display());
        }
    }

    #[tokio::test]
    async fn a_new_key_takes_over() {
        a_new_key_takes_over_at_start(tempfile::tempdir().unwrap()).await;
    }

    #[tokio::test]
    async fn swapped_ciphertexts() {
        swapped_ciphertexts_are_refused(tempfile::tempdir().unwrap()).await;
    }
}

mod on_postgres {
    use super::*;

    #[tokio::test]
    async fn nothing_is_readable() {
        nothing_is_readable_on_disk(Server::start().await.unwrap()).await;
    }

    #[tokio::test]
    async fn a_new_key_takes_over() {
        a_new_key_takes_over_at_start(Server::start().await.unwrap()).await;
    }

    #[tokio::test]
    async fn swapped_ciphertexts() {
        swapped_ciphertexts_are_refused(Server::start().await.unwrap()).await;
    }

    /// It must not go on with less than all: zones would take what it lacks for deleted.
    #[tokio::test]
    async fn a_replica_with_another_key_stops_at_the_first_secret() {
        let a = Postgres::start().await;
        let stopping = CancellationToken::new();
        let b = connect(&a.server, &[OTHER], stopping.clone())
            .await
            .unwrap();
        commit(a.store(), vec![put("a", VALUE)]).await.unwrap();
        let stopped = stopping.cancelled();
        tokio::time::timeout(Duration::from_secs(30), stopped)
            .await
            .unwrap();
        assert!(b.index().snapshot().get(&key("a")).is_none());
        commit(a.store(), vec![put("a", "again")]).await.unwrap();
        let refused = connect(&a.server, &[OTHER], CancellationToken::new()).await;
        assert!(matches!(
            refused,
            Err(OpenError::Sealed(SealError::UnknownKey { .. }))
        ));
    }

    #[tokio::test]
    async fn a_write_that_meets_a_foreign_secret_is_refused() {
        let a = Postgres::start().await;
        let b = connect(&a.server, &[OTHER], CancellationToken::new())
            .await
            .unwrap();
        commit(a.store(), vec![put("a", VALUE)]).await.unwrap();
        let error = commit(&b, vec![put("b", VALUE)]).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        commit(a.store(), vec![put("b", VALUE)]).await.unwrap();
    }
}
