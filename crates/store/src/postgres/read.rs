//! What is in the database, as a whole and since a revision.

use std::collections::HashMap;

use portolan_model::Revision;
use sqlx::{Connection, Executor, PgConnection, Row as _};

use crate::{
    batch::Watermark,
    engine::DiskError,
    index::{Change, Snapshot},
    row::{Row, signed, unsigned},
    seal::SecretKeys,
};

/// Everything, as rows.
pub(super) struct Loaded {
    store: StoreRow,
    rows: Vec<Row>,
}

type StoreRow = (String, i64, i64, Option<String>, Option<i64>);

impl Loaded {
    pub(super) fn snapshot(self, keys: &SecretKeys) -> Result<Snapshot, DiskError> {
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

/// Reads everything, at one moment.
pub(super) async fn load(connection: &mut PgConnection) -> Result<Loaded, sqlx::Error> {
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
pub(super) enum News {
    Rows(Vec<Row>, Option<Watermark>),
    Everything(Loaded),
}

/// What others committed after a revision; nothing if nobody did.
pub(super) async fn news_since(
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

/// Brings `state` up to the news.
pub(super) fn take_over(
    state: &mut Snapshot,
    news: Option<News>,
    keys: &SecretKeys,
) -> Result<(), DiskError> {
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

/// Whether this change, the last of its transaction, is in the log.
pub(super) async fn find(
    connection: &mut PgConnection,
    last: &Change,
) -> Result<bool, sqlx::Error> {
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

/// Begins a transaction, locks the counter, and reads what `known` lacks.
pub(super) async fn lock(
    connection: &mut PgConnection,
    known: Revision,
) -> Result<Option<News>, sqlx::Error> {
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
