//! Writes what proxies did into DataplaneInsights, at most once a second for all that changed.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use jiff::Timestamp;
use portolan_model::{Labels, ResourceKey, Scope, kinds, labels};
use portolan_proto::mesh::{
    DataplaneInsight, DiscoveryServiceStats, DiscoverySubscription, DiscoverySubscriptionStatus,
    ServedConfiguration, ZoneIngressInsight, dataplane_insight::Mtls,
};
use portolan_store::{Batch, Expect, Requirement, Store, StoreError, Write};
use portolan_xds::type_urls;
use prost::Message;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::sessions::{Counts, SessionState, Sessions};

/// Least time between two writes: what changes faster is coalesced.
const INTERVAL: Duration = Duration::from_secs(1);

/// Runs until cancelled; sleeps while nothing changes.
pub(crate) async fn run(
    zone: String,
    instance_id: String,
    store: Arc<dyn Store>,
    sessions: Arc<Sessions>,
    cancel: CancellationToken,
) {
    let mut changes = sessions.changes();
    loop {
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = cancel.cancelled() => return,
        }
        // All at once: the store commits together what arrives together.
        let writes = sessions.take_dirty().into_iter().map(|(dataplane, state)| {
            let insight = insight(&instance_id, &state, None);
            let (store, zone) = (&*store, &zone);
            async move {
                if let Err(error) = write(store, zone, &dataplane, &insight).await {
                    warn!(%dataplane, %error, "cannot write the insight");
                }
            }
        });
        join_all(writes).await;
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = cancel.cancelled() => return,
        }
    }
}

/// Where the insight about a Dataplane or ZoneIngress is.
pub(crate) fn key_of(proxy: &ResourceKey) -> ResourceKey {
    let kind = match proxy.kind == kinds::ZONE_INGRESS {
        true => kinds::ZONE_INGRESS_INSIGHT,
        false => kinds::DATAPLANE_INSIGHT,
    };
    ResourceKey {
        kind,
        ..proxy.clone()
    }
}

/// The same of a ZoneIngress.
fn of_ingress(insight: &DataplaneInsight) -> ZoneIngressInsight {
    ZoneIngressInsight {
        subscriptions: insight.subscriptions.clone(),
        metadata: insight.metadata.clone(),
        served: insight.served.clone(),
    }
}

/// Writes one insight, if its Dataplane or ZoneIngress is still there.
pub(crate) async fn write(
    store: &dyn Store,
    zone: &str,
    dataplane: &ResourceKey,
    insight: &DataplaneInsight,
) -> Result<(), StoreError> {
    let mut labels: Labels = [
        (labels::ENV, labels::ENV_UNIVERSAL),
        (labels::ORIGIN, labels::ORIGIN_ZONE),
        (labels::ZONE, zone),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let key = key_of(dataplane);
    if key.kind.scope == Scope::Mesh {
        labels.insert(labels::MESH.to_owned(), key.mesh.to_string());
    }
    let spec = match key.kind == kinds::ZONE_INGRESS_INSIGHT {
        true => of_ingress(insight).encode_to_vec(),
        false => insight.encode_to_vec(),
    };
    let put = Write::Put {
        key,
        labels,
        spec: spec.into(),
        expect: Expect::Any,
        created: None,
    };
    let batch = Batch {
        requires: vec![Requirement::Exists(dataplane.clone())],
        writes: vec![put],
        ..Batch::default()
    };
    match store.commit(batch).await {
        // The Dataplane went in the meantime, and its insight with it.
        Ok(_) | Err(StoreError::Missing { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The insight of a stream; `disconnected` once it has closed.
pub(crate) fn insight(
    instance_id: &str,
    state: &SessionState,
    disconnected: Option<Timestamp>,
) -> DataplaneInsight {
    let of = |type_url: &str| {
        Some(stats(
            state.counts.get(type_url).copied().unwrap_or_default(),
        ))
    };
    let total = state
        .counts
        .values()
        .fold(Counts::default(), |sum, counts| Counts {
            sent: sum.sent + counts.sent,
            acknowledged: sum.acknowledged + counts.acknowledged,
            refused: sum.refused + counts.refused,
        });
    let subscription = DiscoverySubscription {
        id: format!("{instance_id}-{}", state.id),
        control_plane_instance_id: instance_id.to_owned(),
        connect_time: Some(state.connected.into()),
        disconnect_time: disconnected.map(Into::into),
        status: Some(DiscoverySubscriptionStatus {
            last_update_time: Some(Timestamp::now().into()),
            total: Some(stats(total)),
            cds: of(type_urls::CLUSTER),
            eds: of(type_urls::ENDPOINTS),
            lds: of(type_urls::LISTENER),
            rds: of(type_urls::ROUTES),
        }),
        version: Some(state.version.clone()),
        ..DiscoverySubscription::default()
    };
    let refused = state.refused.as_ref();
    DataplaneInsight {
        subscriptions: vec![subscription],
        served: Some(ServedConfiguration {
            revision: state.served,
            refused_type: refused
                .map(|refusal| refusal.type_url.clone())
                .unwrap_or_default(),
            refused_message: refused
                .map(|refusal| refusal.message.clone())
                .unwrap_or_default(),
            refused_revision: refused.map_or(0, |refusal| refusal.watermark),
            gateway: state.gateway.as_deref().unwrap_or_default().to_owned(),
            delegated: state.delegated,
            member: state.member,
        }),
        m_tls: state.identity.as_ref().map(|identity| Mtls {
            certificate_expiration_time: Some(identity.expires.into()),
            last_certificate_regeneration: Some(identity.issued.into()),
            certificate_regenerations: identity.regenerations,
            issued_backend: identity.issued_backend.clone(),
            supported_backends: identity.supported_backends.clone(),
        }),
        ..DataplaneInsight::default()
    }
}

fn stats(counts: Counts) -> DiscoveryServiceStats {
    DiscoveryServiceStats {
        responses_sent: counts.sent,
        responses_acknowledged: counts.acknowledged,
        responses_rejected: counts.refused,
    }
}
