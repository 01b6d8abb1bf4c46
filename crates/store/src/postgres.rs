//! Postgres: for production, with any number of replicas on one database.
//!
//! Whoever writes locks the one row of `store`, so commits come in the order of revisions. Every commit
//! notifies; a notification is a hint, and what is missing is read by revision.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use jiff::Timestamp;
use portolan_model::Revision;
use sqlx::{
    ConnectOptions, Connection, Executor, PgConnection, Row as _,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    batch::Watermark,
    engine::{self, Disk, DiskError},
    index::{Change, Snapshot},
    retention::Retention,
    row::{Row, Sealed, last_of_each, signed, unsigned},
    seal::SecretKeys,
    store::{OpenError, Store},
};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/postgres");

/// Where commits are announced, with the newest revision as text.
const CHANNEL: &str = "portolan_changes";
/// After so long without news the database is asked all the same: a notification may have been lost.
const BEAT: Duration = Duration::from_secs(5);
/// Longest time for a connection to be made.
const CONNECT: Duration = Duration::from_secs(3);

/// Connects, migrates, and reads everything. What older keys encrypted is encrypted anew with the first.
///
/// # Errors
/// [`OpenError::Sealed`] when a key is missing; otherwise what the database said.
pub async fn connect(
    url: &str,
    keys: SecretKeys,
    retention: Retention,
    cancel: CancellationToken,
) -> Result<Arc<dyn Store>, OpenError> {
    let options = url.parse::<PgConnectOptions>()?.disable_statement_logging();
    let mut connection = PgConnection::connect_with(&options).await?;
    // Takes an advisory lock: replicas that start together wait for one another.
    MIGRATIONS
        .run(&mut connection)
        .await
        .map_err(|error| OpenError::Database(error.to_string()))?;
    renew(&mut connection, &keys).await?;
    let listener = listen(&options).await?;
    let mut disk = Database {
        options,
        keys,
        retention,
        link: Some(Link {
            connection,
            listener,
        }),
        backoff: backoff(),
    };
    let state = disk.load().await?;
    Ok(engine::start(disk, state, cancel))
}

struct Database {
    options: PgConnectOptions,
    keys: SecretKeys,
    retention: Retention,
    /// `None` while the database is away.
    link: Option<Link>,
    backoff: ExponentialBackoff,
}

struct Link {
    connection: PgConnection,
    listener: PgListener,
}

fn backoff() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(2))
        .without_max_times()
        .build()
}

async fn listen(options: &PgConnectOptions) -> Result<PgListener, sqlx::Error> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(CONNECT)
        .connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

fn away() -> DiskError {
    DiskError::Unavailable("Postgres cannot be reached".to_owned())
}

impl Database {
    /// The link, made anew if it was lost.
    async fn link(&mut self) -> Result<&mut Link, DiskError> {
        if self.link.is_none() {
            let connect = async {
                let connection = PgConnection::connect_with(&self.options).await?;
                Ok::<_, sqlx::Error>(Link {
                    connection,
                    listener: listen(&self.options).await?,
                })
            };
            let made = tokio::time::timeout(CONNECT, connect)
                .await
                .map_err(|_| away())?;
            self.link = Some(made?);
            self.backoff = backoff();
            info!("connected to Postgres");
        }
        self.link.as_mut().ok_or_else(away)
    }

    fn rows(&self, changes: &[Change]) -> Result<Vec<Row>, DiskError> {
        let rows = changes.iter().map(|change| Row::of(change, &self.keys));
        rows.collect()
    }

    /// Forgets the link after an error: what state its transaction is in is not known.
    fn lost(&mut self, error: sqlx::Error) -> DiskError {
        if self.link.take().is_some() {
            warn!(%error, "lost Postgres");
        }
        error.into()
    }

    async fn load(&mut self) -> Result<Snapshot, DiskError> {
        let link = self.link().await?;
        let loaded = load(&mut link.connection).await;
        match loaded {
            Ok(loaded) => loaded.snapshot(&self.keys),
            Err(error) => Err(self.lost(error)),
        }
    }

    /// After an error in a commit: whether it was one all the same.
    async fn settle(&mut self, error: sqlx::Error, changes: &[Change]) -> Result<(), DiskError> {
        let refused = error.as_database_error().is_some();
        let error = self.lost(error);
        match changes.last() {
            Some(last) if !refused && self.was_committed(last).await? => Ok(()),
            _ => Err(error),
        }
    }

    /// Whether the transaction whose last change is `last` is there, once the database answers again.
    async fn was_committed(&mut self, last: &Change) -> Result<bool, DiskError> {
        for delay in backoff().take(20) {
            if let Ok(link) = self.link().await {
                match find(&mut link.connection, last).await {
                    Ok(found) => return Ok(found),
                    Err(error) => drop(self.lost(error)),
                }
            }
            tokio::time::sleep(delay).await;
        }
        Err(DiskError::Unknown(
            "Postgres was lost while it committed".to_owned(),
        ))
    }
}

/// Encrypts with the first key what an older one encrypted; one replica at a time.
async fn renew(connection: &mut PgConnection, keys: &SecretKeys) -> Result<(), OpenError> {
    let mut transaction = connection.begin().await?;
    sqlx::query("SELECT revision FROM store FOR UPDATE")
        .execute(&mut *transaction)
        .await?;
    for table in ["resources", "changes"] {
        let select = format!(
            "SELECT revision, kind, mesh, name, spec FROM {table}
              WHERE version > 0 AND kind = ANY($1)"
        );
        let stored: Vec<Sealed> = sqlx::query_as(&select)
            .bind(Sealed::kinds())
            .fetch_all(&mut *transaction)
            .await?;
        let update = format!(
            "UPDATE {table} SET spec = $1
              WHERE kind = $2 AND mesh = $3 AND name = $4 AND revision = $5"
        );
        for row in Sealed::renew(stored, keys)? {
            sqlx::query(&update)
                .bind(row.spec)
                .bind(row.kind)
                .bind(row.mesh)
                .bind(row.name)
                .bind(row.revision)
                .execute(&mut *transaction)
                .await?;
        }
    }
    transaction.commit().await?;
    Ok(())
}

/// Everything, as rows.
struct Loaded {
    store: StoreRow,
    rows: Vec<Row>,
}

type StoreRow = (String, i64, i64, Option<String>, Option<i64>);

impl Loaded {
    fn snapshot(self, keys: &SecretKeys) -> Result<Snapshot, DiskError> {
        let (store_id, revision, horizon, watermark_store, watermark_revision) = self.store;
        let mut state = Snapshot::empty(&store_id);
        state.set_horizon(unsigned(horizon));
        apply(&mut state, self.rows, keys)?;
        state.advance(unsigned(revision));
        state.set_watermark(watermark(watermark_store, watermark_revision));
        Ok(state)
    }
}

fn watermark(store_id: Option<String>, revision: Option<i64>) -> Option<Watermark> {
    let (store_id, revision) = store_id.zip(revision)?;
    Some(Watermark {
        store_id,
        revision: unsigned(revision),
    })
}

fn apply(state: &mut Snapshot, rows: Vec<Row>, keys: &SecretKeys) -> Result<(), DiskError> {
    let mut shared = HashMap::new();
    for row in rows {
        if let Some(change) = row.change(&mut shared, keys)? {
            state.apply(change);
        }
    }
    Ok(())
}

async fn load(connection: &mut PgConnection) -> Result<Loaded, sqlx::Error> {
    let mut transaction = connection
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?;
    let store = sqlx::query_as(
        "SELECT store_id, revision, horizon, watermark_store, watermark_revision FROM store",
    )
    .fetch_one(&mut *transaction)
    .await?;
    let rows = sqlx::query_as(
        "SELECT revision, kind, mesh, name, version, labels, spec, created, modified
           FROM resources
         UNION ALL
         SELECT max(c.revision), c.kind, c.mesh, c.name, 0, '{}', ''::bytea, 0, 0
           FROM changes c
          WHERE c.version = 0 AND NOT EXISTS (
                SELECT 1 FROM resources r
                 WHERE r.kind = c.kind AND r.mesh = c.mesh AND r.name = c.name)
          GROUP BY c.kind, c.mesh, c.name
          ORDER BY 1",
    )
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(Loaded { store, rows })
}

/// What others committed since `state`: the rows to apply, or everything if some have been compacted away.
enum News {
    Rows(Vec<Row>, Option<Watermark>),
    Everything(Loaded),
}

async fn news_since(
    connection: &mut PgConnection,
    revision: Revision,
) -> Result<Option<News>, sqlx::Error> {
    let (newest, horizon, watermark_store, watermark_revision): (
        i64,
        i64,
        Option<String>,
        Option<i64>,
    ) = sqlx::query_as("SELECT revision, horizon, watermark_store, watermark_revision FROM store")
        .fetch_one(&mut *connection)
        .await?;
    if unsigned(newest) <= revision {
        return Ok(None);
    }
    if unsigned(horizon) > revision {
        return Ok(Some(News::Everything(load(connection).await?)));
    }
    let rows = sqlx::query_as(
        "SELECT revision, kind, mesh, name, version, labels, spec, created, modified
           FROM changes WHERE revision > $1 ORDER BY revision",
    )
    .bind(signed(revision))
    .fetch_all(connection)
    .await?;
    Ok(Some(News::Rows(
        rows,
        watermark(watermark_store, watermark_revision),
    )))
}

fn take_over(state: &mut Snapshot, news: Option<News>, keys: &SecretKeys) -> Result<(), DiskError> {
    match news {
        None => {}
        Some(News::Rows(rows, watermark)) => {
            apply(state, rows, keys)?;
            state.set_watermark(watermark);
        }
        Some(News::Everything(loaded)) => {
            *state = loaded.snapshot(keys)?;
            // Readers must list: what was deleted while this replica did not look is not known.
            state.set_horizon(state.revision());
        }
    }
    Ok(())
}

async fn find(connection: &mut PgConnection, last: &Change) -> Result<bool, sqlx::Error> {
    let row = Row::without_spec(last);
    // Waits for the lock: the lost connection may still be committing on the other side.
    let mut transaction = connection.begin().await?;
    sqlx::query("SELECT revision FROM store FOR UPDATE")
        .execute(&mut *transaction)
        .await?;
    let found: Option<(i64,)> = sqlx::query_as(
        "SELECT revision FROM changes
          WHERE revision = $1 AND kind = $2 AND mesh = $3 AND name = $4
            AND version = $5 AND modified = $6",
    )
    .bind(row.revision)
    .bind(row.kind)
    .bind(row.mesh)
    .bind(row.name)
    .bind(row.version)
    .bind(row.modified)
    .fetch_optional(&mut *transaction)
    .await?;
    transaction.rollback().await?;
    Ok(found.is_some())
}

/// One statement for the whole group: the counter, the log, the state derived from it, the announcement.
/// It writes nothing, and gives no row, if the counter is not where the writer knows it.
const WRITE: &str = "
    WITH counter AS (
        UPDATE store SET revision = $11, watermark_store = $12, watermark_revision = $13
         WHERE revision = $15
        RETURNING revision
    ), new AS (
        SELECT t.*
          FROM counter,
               UNNEST($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[],
                      $6::text[], $7::bytea[], $8::bigint[], $9::bigint[], $10::boolean[])
            AS t(revision, kind, mesh, name, version, labels, spec, created, modified, is_last)
    ), log AS (
        INSERT INTO changes
        SELECT revision, kind, mesh, name, version, labels, spec, created, modified FROM new
    ), put AS (
        INSERT INTO resources
        SELECT kind, mesh, name, revision, version, labels, spec, created, modified
          FROM new WHERE is_last AND version > 0
        ON CONFLICT (kind, mesh, name) DO UPDATE SET
            revision = excluded.revision, version = excluded.version, labels = excluded.labels,
            spec = excluded.spec, created = excluded.created, modified = excluded.modified
    ), gone AS (
        DELETE FROM resources r USING new
         WHERE new.is_last AND new.version = 0
           AND r.kind = new.kind AND r.mesh = new.mesh AND r.name = new.name
    )
    SELECT pg_notify($14, revision::text) FROM counter";

async fn write(
    connection: &mut PgConnection,
    changes: &[Change],
    rows: &[Row],
    state: &Snapshot,
) -> Result<bool, sqlx::Error> {
    let known = changes
        .first()
        .map_or(state.revision(), |first| first.revision() - 1);
    let last: Vec<Revision> = last_of_each(changes)
        .iter()
        .map(|change| change.revision())
        .collect();
    let numbers = |field: fn(&Row) -> i64| rows.iter().map(field).collect::<Vec<_>>();
    let texts = |field: fn(&Row) -> &str| rows.iter().map(field).collect::<Vec<_>>();
    let is_last: Vec<bool> = rows
        .iter()
        .map(|row| last.binary_search(&unsigned(row.revision)).is_ok())
        .collect();
    let watermark = state.watermark();
    let written = sqlx::query(WRITE)
        .bind(numbers(|row| row.revision))
        .bind(texts(|row| &row.kind))
        .bind(texts(|row| &row.mesh))
        .bind(texts(|row| &row.name))
        .bind(numbers(|row| row.version))
        .bind(texts(|row| &row.labels))
        .bind(
            rows.iter()
                .map(|row| row.spec.as_slice())
                .collect::<Vec<_>>(),
        )
        .bind(numbers(|row| row.created))
        .bind(numbers(|row| row.modified))
        .bind(is_last)
        .bind(signed(state.revision()))
        .bind(watermark.map(|watermark| watermark.store_id.as_str()))
        .bind(watermark.map(|watermark| signed(watermark.revision)))
        .bind(CHANNEL)
        .bind(signed(known))
        .fetch_optional(connection)
        .await?;
    Ok(written.is_some())
}

/// Begins a transaction, locks the counter, and reads what `known` lacks.
async fn lock(connection: &mut PgConnection, known: Revision) -> Result<Option<News>, sqlx::Error> {
    // Two statements, one round trip.
    let rows = connection
        .fetch_one("BEGIN; SELECT revision FROM store FOR UPDATE")
        .await?;
    let newest: i64 = rows.try_get(0)?;
    if unsigned(newest) > known {
        news_since(connection, known).await
    } else {
        Ok(None)
    }
}

#[async_trait]
impl Disk for Database {
    async fn begin(&mut self, state: &mut Snapshot) -> Result<(), DiskError> {
        let link = self.link().await?;
        match lock(&mut link.connection, state.revision()).await {
            Ok(news) => take_over(state, news, &self.keys).inspect_err(|_| {
                // Nothing will end the transaction: closing the connection lets go of the lock.
                self.link = None;
            }),
            Err(error) => Err(self.lost(error)),
        }
    }

    async fn commit_if_current(
        &mut self,
        changes: &[Change],
        state: &Snapshot,
    ) -> Result<bool, DiskError> {
        let rows = self.rows(changes)?;
        let link = self.link().await?;
        match write(&mut link.connection, changes, &rows, state).await {
            Ok(written) => Ok(written),
            Err(error) => self.settle(error, changes).await.map(|()| true),
        }
    }

    async fn commit(&mut self, changes: &[Change], state: &Snapshot) -> Result<(), DiskError> {
        let rows = self.rows(changes)?;
        let link = self.link.as_mut().ok_or_else(away)?;
        if let Err(error) = write(&mut link.connection, changes, &rows, state).await {
            return Err(self.lost(error));
        }
        match sqlx::query("COMMIT").execute(&mut link.connection).await {
            Ok(_) => Ok(()),
            Err(error) => self.settle(error, changes).await,
        }
    }

    async fn rollback(&mut self) -> Result<(), DiskError> {
        let link = self.link.as_mut().ok_or_else(away)?;
        match sqlx::query("ROLLBACK").execute(&mut link.connection).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.lost(error)),
        }
    }

    async fn news(&mut self, known: Revision) {
        let Some(link) = &mut self.link else {
            let delay = self.backoff.next().unwrap_or(BEAT);
            return tokio::time::sleep(delay).await;
        };
        loop {
            match tokio::time::timeout(BEAT, link.listener.try_recv()).await {
                // Our own commits come back too; the index has them already.
                Ok(Ok(Some(news))) if news.payload().parse().is_ok_and(|new: u64| new <= known) => {
                }
                // News, a lost connection, or a beat without news: the database is asked.
                _ => return,
            }
        }
    }

    async fn catch_up(&mut self, state: &mut Snapshot) -> Result<(), DiskError> {
        let link = self.link().await?;
        match news_since(&mut link.connection, state.revision()).await {
            Ok(news) => take_over(state, news, &self.keys),
            Err(error) => Err(self.lost(error)),
        }
    }

    async fn compact(&mut self, state: &Snapshot) -> Result<(), DiskError> {
        let retention = self.retention;
        let link = self.link().await?;
        let compacted = compact(&mut link.connection, retention, state.revision()).await;
        compacted.map_err(|error| self.lost(error))
    }
}

async fn compact(
    connection: &mut PgConnection,
    retention: Retention,
    newest: Revision,
) -> Result<(), sqlx::Error> {
    // Deletions carry no time; they go with what was written before them.
    let young: Option<i64> =
        sqlx::query_scalar("SELECT min(revision) FROM changes WHERE version > 0 AND modified > $1")
            .bind(retention.oldest(Timestamp::now()))
            .fetch_one(&mut *connection)
            .await?;
    let aged = young.map_or(newest, |revision| unsigned(revision).saturating_sub(1));
    let horizon = signed(retention.horizon(newest).max(aged));
    // First the horizon, so that no reader misses what goes.
    sqlx::query("UPDATE store SET horizon = $1 WHERE horizon < $1")
        .bind(horizon)
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM changes WHERE revision <= $1")
        .bind(horizon)
        .execute(connection)
        .await?;
    Ok(())
}
