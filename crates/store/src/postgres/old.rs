//! What is old is forgotten.

use jiff::Timestamp;
use portolan_model::Revision;
use sqlx::PgConnection;

use crate::{
    retention::Retention,
    row::{signed, unsigned},
};

/// Forgets changes older than the retention.
pub(super) async fn compact(
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
