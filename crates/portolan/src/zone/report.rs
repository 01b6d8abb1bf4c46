//! Tells the global what the zone has applied, what its proxies serve and how many of them its pools run, the
//! newest only.

use std::{sync::Arc, time::Duration};

use portolan_proto::status::{ScaledGateway, ZoneStatus};
use portolan_store::Index;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::sessions::Sessions;

/// Least time between two reports: what many proxies acknowledge at once is told together.
const INTERVAL: Duration = Duration::from_millis(10);

/// Runs until cancelled.
pub(crate) async fn run(
    index: Arc<Index>,
    sessions: Arc<Sessions>,
    mut scaled: watch::Receiver<Vec<ScaledGateway>>,
    status: watch::Sender<ZoneStatus>,
    cancel: CancellationToken,
) {
    let mut stored = index.subscribe();
    let mut changes = sessions.changes();
    loop {
        changes.mark_unchanged();
        let applied = stored
            .borrow_and_update()
            .watermark()
            .map_or(0, |mark| mark.revision);
        let newest = ZoneStatus {
            applied_revision: applied,
            instances: sessions.instances(),
            scaled: scaled.borrow_and_update().clone(),
        };
        status.send_if_modified(|status| {
            let modified = *status != newest;
            *status = newest;
            modified
        });
        tokio::time::sleep(INTERVAL).await;
        tokio::select! {
            changed = stored.changed() => if changed.is_err() { return },
            _ = changes.changed() => {}
            changed = scaled.changed() => if changed.is_err() { return },
            () = cancel.cancelled() => return,
        }
    }
}
