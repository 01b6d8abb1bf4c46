//! Postgres: for production, with any number of replicas on one database.
//!
//! Whoever writes locks the one row of `store`, so commits come in the order of revisions. Every commit
//! notifies; a notification is a hint, and what is missing is read by revision.

mod keys;
mod old;
mod read;
mod write;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use portolan_model::Revision;
use sqlx::{
    ConnectOptions, Connection, PgConnection,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    engine::{self, Disk, DiskError},
    index::{Change, Snapshot},
    retention::Retention,
    row::Row,
    seal::SecretKeys,
    store::{OpenError, Store},
};
use keys::renew;
use old::compact;
use read::{find, load, lock, news_since, take_over};
use write::write;

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
