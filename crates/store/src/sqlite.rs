//! SQLite: one file, one process, durable at every answer.

use std::{
    collections::HashMap,
    fs::{File, Permissions},
    future::pending,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
};

use async_trait::async_trait;
use jiff::Timestamp;
use portolan_model::Revision;
use sqlx::{
    ConnectOptions, Connection, Sqlite, SqliteConnection,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous},
};
use tokio_util::sync::CancellationToken;

use crate::{
    batch::Watermark,
    engine::{self, Disk, DiskError},
    index::{Change, Snapshot},
    retention::Retention,
    row::{Row, Sealed, last_of_each, signed, unsigned},
    seal::SecretKeys,
    store::{OpenError, Store},
};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/sqlite");

/// Rows of one statement; SQLite takes 32,766 parameters.
const ROWS: usize = 1000;

/// Opens the file, makes it if it is not there, and reads everything. What older keys encrypted is
/// encrypted anew with the first.
///
/// # Errors
/// [`OpenError::InUse`] when another process has it open, [`OpenError::Sealed`] when a key is missing;
/// otherwise what the database said.
pub async fn open(
    path: &Path,
    keys: SecretKeys,
    retention: Retention,
    cancel: CancellationToken,
) -> Result<Arc<dyn Store>, OpenError> {
    // Secrets will live here: nobody else may read it, from the first moment on.
    let file = File::options().create(true).append(true).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .locking_mode(SqliteLockingMode::Exclusive)
        .busy_timeout(std::time::Duration::ZERO)
        .pragma("wal_autocheckpoint", "2000")
        .disable_statement_logging();
    let mut connection = options
        .connect()
        .await
        .map_err(|error| in_use(path, error))?;
    MIGRATIONS
        .run(&mut connection)
        .await
        .map_err(|error| migration_in_use(path, error))?;
    let mut disk = SqliteFile {
        connection,
        keys,
        retention,
    };
    disk.renew().await?;
    let state = disk.load().await?;
    Ok(engine::start(disk, state, cancel))
}

fn in_use(path: &Path, error: sqlx::Error) -> OpenError {
    if error.to_string().contains("locked") {
        OpenError::InUse(path.to_owned())
    } else {
        OpenError::Database(error.to_string())
    }
}

fn migration_in_use(path: &Path, error: sqlx::migrate::MigrateError) -> OpenError {
    if error.to_string().contains("locked") {
        OpenError::InUse(path.to_owned())
    } else {
        OpenError::Database(error.to_string())
    }
}

struct SqliteFile {
    connection: SqliteConnection,
    keys: SecretKeys,
    retention: Retention,
}

type StoreRow = (String, i64, i64, Option<String>, Option<i64>);

impl SqliteFile {
    async fn load(&mut self) -> Result<Snapshot, OpenError> {
        let row: StoreRow = sqlx::query_as(
            "SELECT store_id, revision, horizon, watermark_store, watermark_revision FROM store",
        )
        .fetch_one(&mut self.connection)
        .await?;
        let (store_id, revision, horizon, watermark_store, watermark_revision) = row;
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT revision, kind, mesh, name, version, labels, spec, created, modified
               FROM resources
             UNION ALL
             SELECT max(c.revision), c.kind, c.mesh, c.name, 0, '{}', x'', 0, 0
               FROM changes c
              WHERE c.version = 0 AND NOT EXISTS (
                    SELECT 1 FROM resources r
                     WHERE r.kind = c.kind AND r.mesh = c.mesh AND r.name = c.name)
              GROUP BY c.kind, c.mesh, c.name
              ORDER BY 1",
        )
        .fetch_all(&mut self.connection)
        .await?;
        let mut state = Snapshot::empty(&store_id);
        state.set_horizon(unsigned(horizon));
        let mut shared = HashMap::new();
        for row in rows {
            if let Some(change) = row.change(&mut shared, &self.keys)? {
                state.apply(change);
            }
        }
        state.advance(unsigned(revision));
        state.set_watermark(
            watermark_store
                .zip(watermark_revision)
                .map(|(store_id, revision)| Watermark {
                    store_id,
                    revision: unsigned(revision),
                }),
        );
        Ok(state)
    }

    /// Encrypts with the first key what an older one encrypted.
    async fn renew(&mut self) -> Result<(), OpenError> {
        for table in ["resources", "changes"] {
            let mut transaction = self.connection.begin().await?;
            let select = format!(
                "SELECT revision, kind, mesh, name, spec FROM {table}
                  WHERE version > 0 AND kind IN (SELECT value FROM json_each(?))"
            );
            let stored: Vec<Sealed> = sqlx::query_as(&select)
                .bind(serde_json::json!(Sealed::kinds()).to_string())
                .fetch_all(&mut *transaction)
                .await?;
            let update = format!(
                "UPDATE {table} SET spec = ?
                  WHERE kind = ? AND mesh = ? AND name = ? AND revision = ?"
            );
            for row in Sealed::renew(stored, &self.keys)? {
                sqlx::query(&update)
                    .bind(row.spec)
                    .bind(row.kind)
                    .bind(row.mesh)
                    .bind(row.name)
                    .bind(row.revision)
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await?;
        }
        Ok(())
    }

    async fn insert(&mut self, table: &str, changes: &[&Change]) -> Result<(), DiskError> {
        for page in changes.chunks(ROWS) {
            let rows: Vec<Row> = page
                .iter()
                .map(|change| Row::of(change, &self.keys))
                .collect::<Result<_, _>>()?;
            let mut statement = sqlx::QueryBuilder::<Sqlite>::new(format!(
                "INSERT OR REPLACE INTO {table} \
                 (revision, kind, mesh, name, version, labels, spec, created, modified) "
            ));
            statement.push_values(rows, |mut values, row| {
                values
                    .push_bind(row.revision)
                    .push_bind(row.kind)
                    .push_bind(row.mesh)
                    .push_bind(row.name)
                    .push_bind(row.version)
                    .push_bind(row.labels)
                    .push_bind(row.spec)
                    .push_bind(row.created)
                    .push_bind(row.modified);
            });
            // A page of every size would be a statement of its own to remember.
            statement
                .build()
                .persistent(page.len() == 1)
                .execute(&mut self.connection)
                .await?;
        }
        Ok(())
    }

    async fn write(&mut self, changes: &[Change], state: &Snapshot) -> Result<(), DiskError> {
        self.insert("changes", &changes.iter().collect::<Vec<_>>())
            .await?;
        let (deleted, put): (Vec<_>, Vec<_>) = last_of_each(changes)
            .into_iter()
            .partition(|change| matches!(change, Change::Deleted(..)));
        self.insert("resources", &put).await?;
        for change in deleted {
            let key = change.key();
            sqlx::query("DELETE FROM resources WHERE kind = ? AND mesh = ? AND name = ?")
                .bind(key.kind.name())
                .bind(&*key.mesh)
                .bind(&*key.name)
                .execute(&mut self.connection)
                .await?;
        }
        let watermark = state.watermark();
        sqlx::query("UPDATE store SET revision = ?, watermark_store = ?, watermark_revision = ?")
            .bind(signed(state.revision()))
            .bind(watermark.map(|watermark| watermark.store_id.as_str()))
            .bind(watermark.map(|watermark| signed(watermark.revision)))
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}

#[async_trait]
impl Disk for SqliteFile {
    async fn begin(&mut self, _: &mut Snapshot) -> Result<(), DiskError> {
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn commit(&mut self, changes: &[Change], state: &Snapshot) -> Result<(), DiskError> {
        if let Err(error) = self.write(changes, state).await {
            self.rollback().await?;
            return Err(error);
        }
        if let Err(error) = sqlx::query("COMMIT").execute(&mut self.connection).await {
            // As when the disk is full: the transaction is still open and nothing is written.
            self.rollback().await?;
            return Err(error.into());
        }
        Ok(())
    }

    async fn rollback(&mut self) -> Result<(), DiskError> {
        sqlx::query("ROLLBACK")
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn news(&mut self, _: Revision) {
        // Nobody else writes this file.
        pending().await
    }

    async fn catch_up(&mut self, _: &mut Snapshot) -> Result<(), DiskError> {
        Ok(())
    }

    async fn compact(&mut self, state: &Snapshot) -> Result<(), DiskError> {
        let horizon = self.retention.horizon(state.revision());
        let oldest = self.retention.oldest(Timestamp::now());
        // Deletions carry no time; they go with what was written before them.
        let young: Option<i64> = sqlx::query_scalar(
            "SELECT min(revision) FROM changes WHERE version > 0 AND modified > ?",
        )
        .bind(oldest)
        .fetch_one(&mut self.connection)
        .await?;
        let aged = young.map_or(state.revision(), |revision| unsigned(revision) - 1);
        let horizon = signed(horizon.max(aged));
        let mut transaction = self.connection.begin().await?;
        sqlx::query("DELETE FROM changes WHERE revision <= ?")
            .bind(horizon)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("UPDATE store SET horizon = max(horizon, ?)")
            .bind(horizon)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}
