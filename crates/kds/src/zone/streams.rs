//! Everything that a zone says to its global on one connection.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use portolan_model::Kind;
use portolan_proto::{
    discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse},
    mesh::{
        ZoneHealthCheckRequest, global_kds_service_client::GlobalKdsServiceClient,
        kds_sync_service_client::KdsSyncServiceClient,
    },
    status::status_service_client::StatusServiceClient,
};
use portolan_store::StoreError;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, WatchStream};
use tonic::{
    Code, Request, Status,
    codec::CompressionEncoding,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};
use tracing::{debug, info, warn};

use super::ZoneConfig;
use crate::{
    connect::{self, Address},
    encode::Encoder,
    peer,
    progress::Progress,
    receiver::{From, Receiver},
    sender::{Heard, Sender},
};

/// Messages that wait for a slow global; one of each kind is in flight at most.
const QUEUE: usize = 64;
/// How long to wait for a store that is away before a response is written again.
const STORE_RETRY: Duration = Duration::from_millis(500);
/// Until the global says otherwise.
const HEALTH_CHECK_INTERVAL: Duration = Duration::from_secs(300);

/// The value of the metadata `authorization`.
type Token = MetadataValue<Ascii>;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("cannot use the zone's token in {}: {reason}", path.display())]
    Token { path: PathBuf, reason: String },
    #[error("{}", .0.message())]
    Stream(#[from] Status),
}

/// One connection, from its start until any of its streams ends.
pub(super) async fn session(
    config: &ZoneConfig,
    encoder: &Arc<Encoder>,
    address: &Address,
) -> Result<(), SessionError> {
    let token = config.token_file.as_deref().map(token).transpose()?;
    let token = token.as_ref();
    let channel = connect::connect(address, &config.tls)
        .await
        .map_err(|error| SessionError::Connect(chain(&error)))?;
    info!("connected to the global");
    config.connected.send_replace(true);
    tokio::select! {
        ended = from_global(config, token, channel.clone()) => ended?,
        ended = to_global(config, token, encoder, channel.clone()) => ended?,
        ended = health_checks(config, token, channel.clone()) => ended?,
        ended = reports(config, token, channel) => ended?,
    }
    Ok(())
}

/// What the zone shows the global, from the file that the token is in.
fn token(path: &Path) -> Result<Token, SessionError> {
    let unusable = |reason: String| SessionError::Token {
        path: path.to_owned(),
        reason,
    };
    let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    let mut value: Token = format!("Bearer {}", text.trim())
        .parse()
        .map_err(|_| unusable("it is no token".to_owned()))?;
    // Logs of the HTTP library, which print headers, leave it out.
    value.set_sensitive(true);
    Ok(value)
}

/// An error with its causes: the first alone says too little.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn request<T>(
    config: &ZoneConfig,
    token: Option<&Token>,
    message: T,
) -> Result<Request<T>, Status> {
    let mut request = Request::new(message);
    let metadata = request.metadata_mut();
    if let Some(token) = token {
        metadata.insert("authorization", token.clone());
    }
    let zone = config
        .zone
        .parse()
        .map_err(|_| Status::invalid_argument("the name of the zone cannot be sent"))?;
    metadata.insert("client-id", zone);
    metadata.insert(
        "kds-version",
        tonic::metadata::MetadataValue::from_static("v3"),
    );
    for feature in ["zone-ping-health", "hash-suffix"] {
        metadata.append(
            "features",
            tonic::metadata::MetadataValue::from_static(feature),
        );
    }
    Ok(request)
}

fn sync_client(config: &ZoneConfig, channel: Channel) -> KdsSyncServiceClient<Channel> {
    KdsSyncServiceClient::new(channel)
        .send_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(config.max_message_bytes)
        .max_encoding_message_size(config.max_message_bytes)
}

/// Takes what the global owns: each response is one transaction, its acknowledgement follows.
async fn from_global(
    config: &ZoneConfig,
    token: Option<&Token>,
    channel: Channel,
) -> Result<(), Status> {
    let (requests, outgoing) = mpsc::channel::<DeltaDiscoveryRequest>(QUEUE);
    let holds = config.store.index().snapshot().watermark().cloned();
    let kinds = || Kind::all().filter(|kind| kind.direction.to_zone());
    let node = peer::node(&config.zone, &config.instance_id, kinds(), holds.as_ref());
    let gone = |_| Status::cancelled("the global is gone");
    let subscribe = async |kind| {
        let mut subscription = Receiver::subscribe(kind);
        subscription.node = Some(node.clone());
        requests.send(subscription).await.map_err(gone)
    };
    for kind in kinds().filter(|kind| !kind.is_own()) {
        subscribe(kind).await?;
    }
    let call = request(config, token, ReceiverStream::new(outgoing))?;
    let mut responses = sync_client(config, channel)
        .global_to_zone_sync(call)
        .await?
        .into_inner();
    let mut receiver = Receiver::new(From::Global, &config.zone);
    let mut asked_for_own = false;
    while let Some(response) = responses.message().await? {
        // A global of Kuma's is not asked for what it does not know.
        if !asked_for_own && is_from_portolan(&response) {
            asked_for_own = true;
            for kind in kinds().filter(|kind| kind.is_own()) {
                subscribe(kind).await?;
            }
        }
        let answer = take(config, &mut receiver, response).await?;
        requests.send(answer).await.map_err(gone)?;
    }
    Ok(())
}

/// Whether a global of our own sent it.
fn is_from_portolan(response: &DeltaDiscoveryResponse) -> bool {
    Progress::parse(&response.system_version_info).is_some()
}

async fn take(
    config: &ZoneConfig,
    receiver: &mut Receiver,
    response: DeltaDiscoveryResponse,
) -> Result<DeltaDiscoveryRequest, Status> {
    let received = receiver.receive(response, &config.store.index().snapshot());
    if let Some(refusal) = &received.answer.error_detail {
        warn!(
            kind = received.answer.type_url,
            reason = refusal.message,
            "resources refused"
        );
    }
    loop {
        match config.store.commit(received.batch.clone()).await {
            Ok(committed) => {
                debug!(
                    watermark = received.batch.watermark.as_ref().map(|mark| mark.revision),
                    kind = received.answer.type_url,
                    writes = received.batch.writes.len(),
                    revision = committed.revision,
                    "taken over"
                );
                return Ok(received.answer);
            }
            Err(StoreError::Unavailable(reason) | StoreError::Unknown(reason)) => {
                debug!(reason, "the store is away; trying again");
                tokio::time::sleep(STORE_RETRY).await;
            }
            Err(error) => return Err(Status::internal(error.to_string())),
        }
    }
}

/// Sends what the zone owns. The roles are reversed: the global asks, the zone responds.
async fn to_global(
    config: &ZoneConfig,
    token: Option<&Token>,
    encoder: &Arc<Encoder>,
    channel: Channel,
) -> Result<(), Status> {
    let (responses, outgoing) = mpsc::channel::<DeltaDiscoveryResponse>(QUEUE);
    let call = request(config, token, ReceiverStream::new(outgoing))?;
    let mut requests = sync_client(config, channel)
        .zone_to_global_sync(call)
        .await?
        .into_inner();
    let mut sender = Sender::new(&config.zone, Arc::clone(encoder));
    let mut index = config.store.index().subscribe();
    loop {
        let snapshot = index.borrow_and_update().clone();
        while let Some(response) = sender
            .next(&snapshot)
            .map_err(|overtaken| Status::aborted(overtaken.to_string()))?
        {
            let sent = responses.send(response).await;
            sent.map_err(|_| Status::cancelled("the global is gone"))?;
        }
        tokio::select! {
            message = requests.message() => {
                let Some(message) = message? else { return Ok(()) };
                let kind = message.type_url.clone();
                if let Heard::Refused(reason) = sender.hear(message) {
                    warn!(kind, reason, "the global refused resources of this zone");
                }
            }
            changed = index.changed() => changed.map_err(|_| Status::unavailable("stopping"))?,
        }
    }
}

/// Tells the global now and then that the zone is there; a Kuma global wants it.
async fn health_checks(
    config: &ZoneConfig,
    token: Option<&Token>,
    channel: Channel,
) -> Result<(), Status> {
    let mut client = GlobalKdsServiceClient::new(channel);
    let mut interval = HEALTH_CHECK_INTERVAL;
    loop {
        let call = request(config, token, ZoneHealthCheckRequest {})?;
        match client.health_check(call).await {
            Ok(answer) => {
                let given = answer.into_inner().interval.unwrap_or_default().seconds;
                if let Ok(seconds @ 1..) = u64::try_from(given) {
                    interval = Duration::from_secs(seconds);
                }
            }
            Err(status) => debug!(%status, "health check failed"),
        }
        tokio::time::sleep(interval).await;
    }
}

/// Reports what the zone's proxies serve; a Kuma global does not want to know.
async fn reports(
    config: &ZoneConfig,
    token: Option<&Token>,
    channel: Channel,
) -> Result<(), Status> {
    let statuses = WatchStream::new(config.status.clone()).fuse();
    let mut client = StatusServiceClient::new(channel);
    match client.report(request(config, token, statuses)?).await {
        Err(status) if status.code() != Code::Unimplemented => Err(status),
        Err(_) => std::future::pending().await,
        Ok(_) => Ok(()),
    }
}
