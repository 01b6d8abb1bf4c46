//! Assigns again whenever something that matters has changed.

use std::{future, sync::Arc};

use portolan_model::{
    Revision, kinds,
    kinds::mesh_gateway_instance::wanted,
    proto::status::{MeshGatewayInstance, ScaledGateway},
};
use portolan_store::{Index, Snapshot};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    SETTLING,
    plan::{self, Gateway, Gateways},
    roster::Roster,
};

/// Runs until cancelled; sleeps while nothing changes.
pub(super) async fn run(
    zone: &str,
    index: Arc<Index>,
    roster: &Roster,
    scaled: &watch::Sender<Vec<ScaledGateway>>,
    cancel: CancellationToken,
) {
    let settled = Instant::now() + SETTLING;
    let mut stored = index.subscribe();
    let mut pools = roster.changes();
    loop {
        let snapshot = stored.borrow_and_update().clone();
        pools.mark_unchanged();
        let gateways = gateways(&snapshot, zone);
        let now = Instant::now();
        let has_settled = now >= settled;
        let told = roster.with(|members| {
            let due = plan::forget(members, now);
            // A zone without its global's resources knows nothing of what is wanted, and takes nothing away.
            if has_settled && snapshot.watermark().is_some() {
                plan::share_out(members, &gateways, zone);
            }
            (due, plan::scaled(members, &gateways, zone))
        });
        let (due, counts) = told;
        scaled.send_if_modified(|current| {
            let modified = *current != counts;
            *current = counts;
            modified
        });
        let due = if has_settled { due } else { Some(settled) };
        tokio::select! {
            changed = wanted_changed(&mut stored, mark(&snapshot)) => if changed.is_err() { return },
            changed = pools.changed() => if changed.is_err() { return },
            () = until(due) => {}
            () = cancel.cancelled() => return,
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => future::pending().await,
    }
}

/// What must move before there is anything new to assign.
fn mark(snapshot: &Snapshot) -> (Revision, bool) {
    let revision = snapshot.last_change(kinds::MESH_GATEWAY_INSTANCE);
    (revision, snapshot.watermark().is_some())
}

async fn wanted_changed(
    stored: &mut watch::Receiver<Arc<Snapshot>>,
    known: (Revision, bool),
) -> Result<(), watch::error::RecvError> {
    stored
        .wait_for(|snapshot| mark(snapshot) != known)
        .await
        .map(drop)
}

fn gateways(snapshot: &Snapshot, zone: &str) -> Gateways {
    let all = snapshot.list(kinds::MESH_GATEWAY_INSTANCE, None);
    let known = all.filter_map(|resource| {
        let spec: MeshGatewayInstance = resource.spec_as().ok()?;
        let key = (resource.key.mesh.to_string(), resource.key.name.to_string());
        let wanted = wanted(&spec, zone);
        Some((key, Gateway { wanted, spec }))
    });
    known.collect()
}
