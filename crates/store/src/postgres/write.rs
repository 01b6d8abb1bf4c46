//! The one statement that writes.

use portolan_model::Revision;
use sqlx::PgConnection;

use super::CHANNEL;
use crate::{
    index::{Change, Snapshot},
    row::{Row, last_of_each, signed, unsigned},
};

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

/// Writes a group, unless somebody has committed what `state` lacks; whether it did.
pub(super) async fn write(
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
