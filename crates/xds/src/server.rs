//! The shell: gRPC streams around the state machine.

use std::{pin::Pin, sync::Arc};

use futures::Stream as Responses;
use portolan_proto::discovery::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Node,
    aggregated_discovery_service_server::{
        AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
    },
};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};
use tracing::{Instrument, Span, debug, field, info_span, trace};

use crate::{
    resource::Snapshot,
    stream::{Abuse, Heard, Refusal, Stream},
    wire::{Delta, Protocol, StateOfTheWorld},
};

/// Responses that wait for a slow proxy; the state machine keeps one of each type in flight.
const QUEUE: usize = 4;
/// Largest request. A reconnecting proxy names everything that it holds.
const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

/// A proxy that opens a stream.
#[derive(Debug)]
pub struct Connect {
    /// Who it says it is.
    pub node: Node,
    /// What came with the call, such as its token.
    pub metadata: MetadataMap,
}

/// A proxy that was let in.
pub struct Session {
    /// What it should have, the newest; `None` until that is known. The stream ends when the sender is dropped.
    pub snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    /// Told what happens. Dropped when the stream closes.
    pub events: Box<dyn Events>,
}

/// What happens on one stream. Dropped when it closes, whoever closed it. Calls come from the task of the
/// stream and should return at once.
pub trait Events: Send {
    /// A response of a type went out.
    fn sent(&mut self, type_url: &str);
    /// The proxy took it.
    fn acknowledged(&mut self, type_url: &str);
    /// The proxy refused it and goes on with what it had; it is not sent again until it changes.
    fn refused(&mut self, refusal: Refusal);
    /// The proxy has everything of the snapshots up to this watermark: it has acknowledged what it did not have.
    /// A snapshot of which it refused something is never said to be served, only a later one.
    fn serving(&mut self, watermark: u64);
}

/// Who may have what.
#[tonic::async_trait]
pub trait Proxies: Send + Sync + 'static {
    /// Lets a proxy in.
    ///
    /// # Errors
    /// The status that ends its stream.
    async fn connect(&self, request: Connect) -> Result<Session, Status>;
}

/// The ADS service over [`Proxies`].
pub struct AdsServer {
    proxies: Arc<dyn Proxies>,
}

impl AdsServer {
    /// For these proxies.
    pub fn new(proxies: Arc<dyn Proxies>) -> Self {
        Self { proxies }
    }

    /// The gRPC service.
    pub fn into_service(self) -> AggregatedDiscoveryServiceServer<impl AggregatedDiscoveryService> {
        AggregatedDiscoveryServiceServer::new(self).max_decoding_message_size(MAX_REQUEST_BYTES)
    }

    fn start<P: Protocol>(
        &self,
        request: Request<Streaming<P::Request>>,
    ) -> Response<BoxedResponses<P::Response>> {
        let (metadata, _, requests) = request.into_parts();
        let (responses, receiver) = mpsc::channel(QUEUE);
        let proxies = Arc::clone(&self.proxies);
        let serve = async move {
            if let Err(status) = serve::<P>(&*proxies, metadata, requests, &responses).await {
                debug!(%status, "stream ended");
                // The proxy may be gone, and then needs no reason.
                let _ = responses.send(Err(status)).await;
            }
        };
        // Its first request says who it is.
        tokio::spawn(serve.instrument(info_span!("ads", proxy = field::Empty)));
        Response::new(Box::pin(ReceiverStream::new(receiver)))
    }
}

type BoxedResponses<R> = Pin<Box<dyn Responses<Item = Result<R, Status>> + Send>>;

#[tonic::async_trait]
impl AggregatedDiscoveryService for AdsServer {
    type StreamAggregatedResourcesStream = BoxedResponses<DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = BoxedResponses<DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        Ok(self.start::<StateOfTheWorld>(request))
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        Ok(self.start::<Delta>(request))
    }
}

/// One stream from its first request to its end.
async fn serve<P: Protocol>(
    proxies: &dyn Proxies,
    metadata: MetadataMap,
    mut requests: Streaming<P::Request>,
    responses: &mpsc::Sender<Result<P::Response, Status>>,
) -> Result<(), Status> {
    let Some(mut first) = requests.message().await? else {
        return Ok(());
    };
    let node = P::node(&mut first).ok_or_else(|| {
        Status::invalid_argument("the first request of a stream must name its node")
    })?;
    Span::current().record("proxy", &node.id);
    let Session {
        mut snapshots,
        mut events,
    } = proxies.connect(Connect { node, metadata }).await?;
    let mut stream = Stream::new(P::MODE);
    take_snapshot(&mut stream, &mut snapshots);
    hear::<P>(&mut stream, first, &mut *events)?;
    loop {
        while let Some(response) = stream.next_response() {
            debug!(
                watermark = response.watermark,
                type_url = response.type_url,
                nonce = response.nonce,
                resources = response.resources.len(),
                removed = response.removed.len(),
                "sent"
            );
            events.sent(&response.type_url);
            // A proxy that does not read holds up its own stream only: snapshots replace one another meanwhile.
            if responses.send(Ok(P::response(response))).await.is_err() {
                return Ok(());
            }
        }
        if let Some(watermark) = stream.newly_serving() {
            debug!(watermark, "serving");
            events.serving(watermark);
        }
        tokio::select! {
            request = requests.message() => match request? {
                Some(request) => hear::<P>(&mut stream, request, &mut *events)?,
                None => return Ok(()),
            },
            changed = snapshots.changed() => match changed {
                Ok(()) => take_snapshot(&mut stream, &mut snapshots),
                // The proxy has opened another stream, or is not wanted any more.
                Err(_) => return Err(Status::aborted("this stream is no longer served; open another")),
            },
            () = responses.closed() => return Ok(()),
        }
    }
}

fn take_snapshot(stream: &mut Stream, snapshots: &mut watch::Receiver<Option<Arc<Snapshot>>>) {
    if let Some(snapshot) = snapshots.borrow_and_update().clone() {
        stream.on_snapshot(snapshot);
    }
}

fn hear<P: Protocol>(
    stream: &mut Stream,
    request: P::Request,
    events: &mut dyn Events,
) -> Result<(), Status> {
    let request = P::request(request);
    trace!(
        type_url = request.type_url,
        nonce = request.nonce,
        names = ?request.names,
        error = request.error,
        "heard"
    );
    let type_url = request.type_url.clone();
    match stream.on_request(request) {
        Ok(Heard::Nothing) => {}
        Ok(Heard::Acknowledged) => {
            debug!(type_url, "acknowledged");
            events.acknowledged(&type_url);
        }
        Ok(Heard::Refused(refusal)) => events.refused(refusal),
        Err(abuse @ Abuse::TypeUrl) => return Err(Status::invalid_argument(abuse.to_string())),
        Err(abuse) => return Err(Status::resource_exhausted(abuse.to_string())),
    }
    Ok(())
}
