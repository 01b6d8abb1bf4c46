//! Secrets are encrypted with the newest key.

use sqlx::{Connection, PgConnection};

use crate::{row::Sealed, seal::SecretKeys, store::OpenError};

/// Encrypts with the first key what an older one encrypted; one replica at a time.
pub(super) async fn renew(
    connection: &mut PgConnection,
    keys: &SecretKeys,
) -> Result<(), OpenError> {
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
