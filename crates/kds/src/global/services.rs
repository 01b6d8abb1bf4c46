//! The gRPC services: who calls, and which task serves the call.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt, stream};
use portolan_proto::{
    discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse},
    mesh::{
        ClustersRequest, ClustersResponse, StatsRequest, StatsResponse, XdsConfigRequest,
        XdsConfigResponse, ZoneHealthCheckRequest, ZoneHealthCheckResponse,
        global_kds_service_server::GlobalKdsService, kds_sync_service_server::KdsSyncService,
    },
    status::{ReportEnd, ZoneStatus, status_service_server::StatusService},
    well_known::Duration,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};
use tracing::{Instrument, info_span, warn};

use super::{Server, sync};

/// Messages that wait for a slow zone; one of each kind is in flight at most.
const QUEUE: usize = 4;

type Boxed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The zone that calls.
fn zone_of(metadata: &MetadataMap) -> Result<String, Status> {
    let zone = metadata
        .get("client-id")
        .and_then(|id| id.to_str().ok())
        .unwrap_or_default();
    if !portolan_model::validation::name(zone).is_empty() {
        return Err(Status::invalid_argument(
            "metadata client-id must be the name of the zone: lower-case letters, digits, - and .",
        ));
    }
    Ok(zone.to_owned())
}

impl Server {
    /// The zone that calls, once it has shown that it is that zone.
    fn admitted(&self, metadata: &MetadataMap) -> Result<String, Status> {
        let zone = zone_of(metadata)?;
        let authorization = metadata.get("authorization");
        let token = authorization.map(|value| {
            let value = value.to_str().unwrap_or_default();
            value.strip_prefix("Bearer ").unwrap_or(value)
        });
        (self.shared.config.admit)(&zone, token).map_err(Status::unauthenticated)?;
        Ok(zone)
    }
}

#[tonic::async_trait]
impl KdsSyncService for Server {
    type GlobalToZoneSyncStream = Boxed<DeltaDiscoveryResponse>;
    type ZoneToGlobalSyncStream = Boxed<DeltaDiscoveryRequest>;

    async fn global_to_zone_sync(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::GlobalToZoneSyncStream>, Status> {
        // A refused zone opens all its streams at once; one line tells.
        let zone = self
            .admitted(request.metadata())
            .inspect_err(|status| warn!(reason = status.message(), "zone refused"))?;
        self.shared
            .ensure_zone(&zone)
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let (responses, receiver) = mpsc::channel(QUEUE);
        let span = info_span!("global to zone", zone);
        let serve = sync::global_to_zone(
            Arc::clone(&self.shared),
            zone,
            request.into_inner(),
            responses,
        );
        tokio::spawn(serve.instrument(span));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn zone_to_global_sync(
        &self,
        request: Request<Streaming<DeltaDiscoveryResponse>>,
    ) -> Result<Response<Self::ZoneToGlobalSyncStream>, Status> {
        let zone = self.admitted(request.metadata())?;
        self.shared
            .ensure_zone(&zone)
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let (requests, receiver) = mpsc::channel(QUEUE);
        let span = info_span!("zone to global", zone);
        let serve = sync::zone_to_global(
            Arc::clone(&self.shared),
            zone,
            request.into_inner(),
            requests,
        );
        tokio::spawn(serve.instrument(span));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

#[tonic::async_trait]
impl GlobalKdsService for Server {
    type StreamXDSConfigsStream = Boxed<XdsConfigRequest>;
    type StreamStatsStream = Boxed<StatsRequest>;
    type StreamClustersStream = Boxed<ClustersRequest>;

    async fn stream_xds_configs(
        &self,
        request: Request<Streaming<XdsConfigResponse>>,
    ) -> Result<Response<Self::StreamXDSConfigsStream>, Status> {
        self.admitted(request.metadata())?;
        Ok(Response::new(silent(request.into_inner())))
    }

    async fn stream_stats(
        &self,
        request: Request<Streaming<StatsResponse>>,
    ) -> Result<Response<Self::StreamStatsStream>, Status> {
        self.admitted(request.metadata())?;
        Ok(Response::new(silent(request.into_inner())))
    }

    async fn stream_clusters(
        &self,
        request: Request<Streaming<ClustersResponse>>,
    ) -> Result<Response<Self::StreamClustersStream>, Status> {
        self.admitted(request.metadata())?;
        Ok(Response::new(silent(request.into_inner())))
    }

    async fn health_check(
        &self,
        request: Request<ZoneHealthCheckRequest>,
    ) -> Result<Response<ZoneHealthCheckResponse>, Status> {
        self.admitted(request.metadata())?;
        let seconds = self.shared.config.health_check_interval.as_secs();
        let interval = Duration {
            seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
            nanos: 0,
        };
        Ok(Response::new(ZoneHealthCheckResponse {
            interval: Some(interval),
        }))
    }
}

/// Asks nothing, and ends when the zone ends its side.
fn silent<A, Q>(mut answers: Streaming<A>) -> Boxed<Q>
where
    A: Send + 'static,
    Q: Send + 'static,
{
    let drained = async move { while let Ok(Some(_)) = answers.message().await {} };
    Box::pin(stream::once(drained).filter_map(|()| async { None }))
}

#[tonic::async_trait]
impl StatusService for Server {
    async fn report(
        &self,
        request: Request<Streaming<ZoneStatus>>,
    ) -> Result<Response<ReportEnd>, Status> {
        let zone = self.admitted(request.metadata())?;
        let mut statuses = request.into_inner();
        loop {
            tokio::select! {
                status = statuses.message() => match status? {
                    Some(status) => self.shared.registry.report(&zone, status),
                    None => return Ok(Response::new(ReportEnd {})),
                },
                () = self.shared.cancel.cancelled() => return Ok(Response::new(ReportEnd {})),
            }
        }
    }
}
