//! The tasks of the two sync streams.

use std::{sync::Arc, time::Duration};

use portolan_model::Kind;
use portolan_proto::discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use portolan_store::{Batch, StoreError};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};
use tracing::{debug, info, warn};

use super::{
    Shared,
    registry::{Opened, ZoneState},
};
use crate::{
    peer,
    receiver::{From, Receiver},
    sender::{Heard, Sender},
};

/// How this side calls itself.
const IDENTIFIER: &str = "global";
/// How long to wait for a store that is away before a zone's response is written again.
const STORE_RETRY: Duration = Duration::from_millis(500);

type Outgoing<T> = mpsc::Sender<Result<T, Status>>;

/// Sends what the global owns, until either side ends the stream or the zone opens another.
pub(super) async fn global_to_zone(
    shared: Arc<Shared>,
    zone: String,
    requests: Streaming<DeltaDiscoveryRequest>,
    responses: Outgoing<DeltaDiscoveryResponse>,
) {
    let stream = shared.registry.open(&zone);
    info!("zone connected");
    let ended = send(&shared, &zone, &stream, requests, &responses).await;
    shared.registry.close(&zone, stream.number);
    match &ended {
        Ok(()) => info!("zone disconnected"),
        Err(status) => info!(reason = status.message(), "zone disconnected"),
    }
    if let Err(status) = ended {
        // The zone may be gone, and then needs no reason.
        let _ = responses.try_send(Err(status));
    }
}

async fn send(
    shared: &Shared,
    zone: &str,
    stream: &Opened,
    mut requests: Streaming<DeltaDiscoveryRequest>,
    responses: &Outgoing<DeltaDiscoveryResponse>,
) -> Result<(), Status> {
    let mut sender = Sender::new(IDENTIFIER, Arc::clone(&shared.encoder)).for_zone(zone);
    let mut index = shared.config.store.index().subscribe();
    let mut known = sender.acknowledged();
    loop {
        let snapshot = index.borrow_and_update().clone();
        // Nothing is sent before the peer has said how it wants it.
        while sender.peer().is_some()
            && let Some(response) = sender
                .next(&snapshot)
                .map_err(|overtaken| Status::aborted(overtaken.to_string()))?
        {
            debug!(
                revision = snapshot.revision(),
                kind = response.type_url,
                resources = response.resources.len(),
                removed = response.removed_resources.len(),
                nonce = response.nonce,
                "sent"
            );
            // A zone that does not read holds up nobody, not even the stream that takes its place.
            tokio::select! {
                sent = responses.send(Ok(response)) => {
                    sent.map_err(|_| Status::cancelled("zone is gone"))?;
                }
                status = stop(shared, stream) => return Err(status),
            }
        }
        let acknowledged = sender.acknowledged();
        if acknowledged != known {
            debug!(revision = acknowledged, "zone acknowledged");
            known = acknowledged;
        }
        shared.registry.update(zone, stream.number, |state| {
            state.acknowledged_revision = acknowledged
        });
        tokio::select! {
            request = requests.message() => {
                let Some(request) = request? else { return Ok(()) };
                hear(shared, zone, stream.number, &mut sender, request);
            }
            changed = index.changed() => changed.map_err(|_| Status::unavailable("stopping"))?,
            status = stop(shared, stream) => return Err(status),
        }
    }
}

/// Waits for a reason to end a stream that this side has.
async fn stop(shared: &Shared, stream: &Opened) -> Status {
    tokio::select! {
        () = stream.replaced.cancelled() => Status::aborted("another stream of this zone took over"),
        () = shared.cancel.cancelled() => Status::unavailable("the global stops"),
    }
}

fn hear(
    shared: &Shared,
    zone: &str,
    stream: u64,
    sender: &mut Sender,
    request: DeltaDiscoveryRequest,
) {
    let type_url = request.type_url.clone();
    let is_first = sender.peer().is_none();
    let heard = sender.hear(request);
    if is_first && let Some(peer) = sender.peer() {
        debug!(?peer, "zone introduced itself");
        shared.registry.introduce(zone, stream, peer);
    }
    shared
        .registry
        .update(zone, stream, |state| count(state, type_url, heard));
}

fn count(state: &mut ZoneState, type_url: String, heard: Heard) {
    let [sent, acknowledged, refused] = match &heard {
        Heard::Nothing => return,
        Heard::Acknowledged => [1, 1, 0],
        Heard::Refused(reason) => {
            warn!(kind = type_url, reason, "zone refused resources");
            state.last_error = Some(format!("{type_url}: {reason}"));
            [1, 0, 1]
        }
    };
    let counts = state.counts.entry(type_url).or_default();
    counts[0] += sent;
    counts[1] += acknowledged;
    counts[2] += refused;
}

/// Takes what a zone owns, until either side ends the stream.
pub(super) async fn zone_to_global(
    shared: Arc<Shared>,
    zone: String,
    responses: Streaming<DeltaDiscoveryResponse>,
    requests: Outgoing<DeltaDiscoveryRequest>,
) {
    if let Err(status) = receive(&shared, &zone, responses, &requests).await {
        debug!(%status, "stream ended");
        // The zone may be gone, and then needs no reason.
        let _ = requests.try_send(Err(status));
    }
}

async fn receive(
    shared: &Shared,
    zone: &str,
    mut responses: Streaming<DeltaDiscoveryResponse>,
    requests: &Outgoing<DeltaDiscoveryRequest>,
) -> Result<(), Status> {
    let gone = |_| Status::cancelled("zone is gone");
    let kinds = || Kind::all().filter(|kind| kind.direction.to_global());
    let node = peer::node(zone, &shared.config.instance_id, kinds(), None);
    for kind in kinds() {
        let mut request = Receiver::subscribe(kind);
        request.node = Some(node.clone());
        requests.send(Ok(request)).await.map_err(gone)?;
    }
    let mut receiver = Receiver::new(From::Zone(zone.to_owned()), zone);
    loop {
        let response = tokio::select! {
            response = responses.message() => response?,
            () = shared.cancel.cancelled() => return Err(Status::unavailable("the global stops")),
        };
        let Some(response) = response else {
            return Ok(());
        };
        let stored = shared.config.store.index().snapshot();
        let received = receiver.receive(response, &stored);
        if let Some(refusal) = &received.answer.error_detail {
            warn!(
                kind = received.answer.type_url,
                reason = refusal.message,
                "resources refused"
            );
        }
        write(shared, received.batch).await?;
        requests.send(Ok(received.answer)).await.map_err(gone)?;
    }
}

/// Writes a zone's response; while the store is away the zone waits for its answer.
async fn write(shared: &Shared, batch: Batch) -> Result<(), Status> {
    loop {
        // What the zone sends is nobody else's to count: the global has no watermark of it.
        let batch = Batch {
            watermark: None,
            ..batch.clone()
        };
        match shared.config.store.commit(batch).await {
            Ok(_) => return Ok(()),
            Err(StoreError::Unavailable(reason) | StoreError::Unknown(reason)) => {
                debug!(reason, "the store is away; trying again");
            }
            Err(error) => return Err(Status::internal(error.to_string())),
        }
        tokio::select! {
            () = tokio::time::sleep(STORE_RETRY) => {}
            () = shared.cancel.cancelled() => return Err(Status::unavailable("the global stops")),
        }
    }
}
