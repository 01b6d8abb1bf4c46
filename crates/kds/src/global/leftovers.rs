//! What a global that ended without a word has left open in the ZoneInsights.
//!
//! A global that starts cannot tell an open subscription of a dead process from one of a living replica. It
//! closes them all: a living replica sees that and writes again what it holds open, at most a second later.
//! So no process needs a lasting identity, and nobody has to say all the time that it is alive.

use std::time::Duration;

use jiff::Timestamp;
use portolan_model::{Labels, Resource, ResourceKey, Revision, kinds};
use portolan_proto::system::ZoneInsight;
use portolan_store::{Batch, Expect, Snapshot, StoreError, Write};
use prost::Message;
use tracing::{info, warn};

use super::GlobalConfig;

/// How long to wait for a store that is away.
const RETRY: Duration = Duration::from_secs(1);

/// What an insight tells of its zone's newest stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// The global that wrote it.
    pub(super) by: String,
    pub(super) is_open: bool,
}

/// What the insight of a zone tells; `None` without one.
pub(super) fn told(stored: &Snapshot, zone: &str) -> Option<Told> {
    let insight = stored.get(&ResourceKey::global(kinds::ZONE_INSIGHT, zone))?;
    let newest = read(insight).subscriptions.pop()?;
    Some(Told {
        is_open: newest.connect_time.is_some() && newest.disconnect_time.is_none(),
        by: newest.global_instance_id,
    })
}

/// Whether somebody wrote the insight of a zone after `seen`.
pub(super) fn is_written_after(stored: &Snapshot, zone: &str, seen: Revision) -> bool {
    let insight = stored.get(&ResourceKey::global(kinds::ZONE_INSIGHT, zone));
    insight.is_some_and(|insight| insight.revision > seen)
}

/// Closes what others have left open, once.
pub(super) async fn close(config: &GlobalConfig) {
    let index = config.store.index();
    let start = index.snapshot().revision();
    loop {
        let now = Timestamp::now();
        let writes: Vec<_> = index
            .snapshot()
            .list(kinds::ZONE_INSIGHT, None)
            // What was written since is not left over.
            .filter(|insight| insight.revision <= start)
            .filter_map(|insight| closed(insight, now))
            .collect();
        if writes.is_empty() {
            return;
        }
        let zones = writes.len();
        let batch = Batch {
            writes,
            ..Batch::default()
        };
        match config.store.commit(batch).await {
            Ok(_) => {
                info!(zones, "closed what an earlier global left open");
                return;
            }
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => {
                warn!(%error, "cannot close what an earlier global left open; trying again");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// The insight with all its subscriptions closed; `None` if they are.
fn closed(resource: &Resource, now: Timestamp) -> Option<Write> {
    let mut insight = read(resource);
    let mut open = insight
        .subscriptions
        .iter_mut()
        .filter(|subscription| subscription.disconnect_time.is_none())
        .peekable();
    open.peek()?;
    open.for_each(|subscription| subscription.disconnect_time = Some(now.into()));
    insight.kds_streams = None;
    Some(Write::Put {
        key: resource.key.clone(),
        labels: Labels::clone(&resource.labels),
        spec: insight.encode_to_vec().into(),
        expect: Expect::Version(resource.version),
        created: None,
    })
}

fn read(insight: &Resource) -> ZoneInsight {
    // An insight that cannot be read tells nothing; the next one replaces it.
    insight.spec_as().unwrap_or_default()
}
