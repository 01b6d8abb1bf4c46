//! What the global knows of its zones, as `GET /_status` shows it.
//!
//! A zone that is connected here reports by itself, within milliseconds. One that is connected to another
//! replica is known by the insights in the store, which are at most a second old.

use std::{sync::Arc, time::Duration};

use portolan_api::status::{Instance, Refused, Scaled, Status, Zone};
use portolan_kds::global::{ZoneState, Zones};
use portolan_model::{Kind, Resource, ResourceKey, Revision, kinds, labels};
use portolan_proto::{
    mesh::{DataplaneInsight, DiscoverySubscription, ServedConfiguration, ZoneIngressInsight},
    status::{InstanceStatus, ScaledGateway},
    system::ZoneInsight,
};
use portolan_store::{Index, Snapshot};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Least time between two states that are shown: what many writes and zones change at once is one.
const INTERVAL: Duration = Duration::from_millis(5);

/// Keeps the status up to date until cancelled.
pub(crate) async fn follow(
    instance_id: String,
    index: Arc<Index>,
    mut connected: watch::Receiver<Zones>,
    status: watch::Sender<Arc<Status>>,
    cancel: CancellationToken,
) {
    let mut stored = index.subscribe();
    loop {
        let snapshot = stored.borrow_and_update().clone();
        let here = connected.borrow_and_update().clone();
        let newest = Arc::new(combine(&instance_id, &snapshot, &here));
        status.send_if_modified(|current| {
            let modified = **current != *newest;
            *current = newest;
            modified
        });
        tokio::time::sleep(INTERVAL).await;
        tokio::select! {
            changed = stored.changed() => if changed.is_err() { return },
            changed = connected.changed() => if changed.is_err() { return },
            () = cancel.cancelled() => return,
        }
    }
}

/// Every zone of the store: as it reports here, else as its insight tells.
fn combine(instance_id: &str, stored: &Snapshot, here: &Zones) -> Status {
    let zones = stored
        .list(kinds::ZONE, None)
        .map(|zone| match here.get(&*zone.key.name) {
            Some(state) if state.online => reported(state),
            _ => recorded(instance_id, stored, &zone.key.name),
        })
        .map(|zone| up_to_date(stored, zone))
        .collect();
    Status {
        revision: stored.revision(),
        zones,
    }
}

/// Who has the last change that concerns zones has everything: later revisions say nothing to it.
fn up_to_date(stored: &Snapshot, mut zone: Zone) -> Zone {
    let last = Kind::all()
        .filter(|kind| kind.direction.to_zone())
        .map(|kind| stored.last_change(kind))
        .max()
        .unwrap_or_default();
    let newest = |reached: Revision| {
        if reached >= last {
            stored.revision()
        } else {
            reached
        }
    };
    zone.acknowledged_revision = newest(zone.acknowledged_revision);
    for instance in &mut zone.instances {
        instance.served_revision = newest(instance.served_revision);
    }
    zone
}

fn reported(state: &ZoneState) -> Zone {
    Zone {
        name: state.name.clone(),
        online: true,
        since: Some(state.since),
        acknowledged_revision: state.acknowledged_revision,
        version: state.version.clone(),
        last_error: state.last_error.clone(),
        instances: state.instances.iter().map(reported_instance).collect(),
        scaled: state.scaled.iter().map(scaled).collect(),
    }
}

fn scaled(gateway: &ScaledGateway) -> Scaled {
    Scaled {
        mesh: gateway.mesh.clone(),
        name: gateway.name.clone(),
        wanted: gateway.wanted,
        running: gateway.running,
        ready: gateway.ready,
        message: gateway.message.clone(),
    }
}

fn reported_instance(instance: &InstanceStatus) -> Instance {
    let refused = refused(
        &instance.refused_type,
        &instance.refused_message,
        instance.refused_revision,
    );
    Instance {
        mesh: instance.mesh.clone(),
        name: instance.name.clone(),
        gateway: instance.gateway.clone(),
        delegated: instance.delegated,
        member: instance.member,
        served_revision: instance.served_revision,
        refused,
    }
}

/// Nothing if no type is named.
fn refused(type_url: &str, message: &str, revision: Revision) -> Option<Refused> {
    (!type_url.is_empty()).then(|| Refused {
        type_url: type_url.to_owned(),
        message: message.to_owned(),
        revision,
    })
}

/// From the insights, for a zone that is not connected to this replica.
fn recorded(instance_id: &str, stored: &Snapshot, name: &str) -> Zone {
    let key = ResourceKey::global(kinds::ZONE_INSIGHT, name);
    let insight: ZoneInsight = stored
        .get(&key)
        .and_then(|insight| insight.spec_as().ok())
        .unwrap_or_default();
    let subscription = insight.subscriptions.last().cloned().unwrap_or_default();
    // This replica knows better of its own connections: an insight of its own is only not closed yet.
    let online = subscription.connect_time.is_some()
        && subscription.disconnect_time.is_none()
        && subscription.global_instance_id != instance_id;
    let since = subscription.disconnect_time.or(subscription.connect_time);
    let version = subscription
        .version
        .and_then(|version| version.kuma_cp)
        .unwrap_or_default();
    Zone {
        name: name.to_owned(),
        online,
        since: since.and_then(|since| since.try_into().ok()),
        acknowledged_revision: insight.acknowledged_revision,
        version: version.version,
        last_error: Some(insight.last_error).filter(|error| !error.is_empty()),
        instances: if online {
            recorded_instances(stored, name)
        } else {
            Vec::new()
        },
        scaled: if online {
            insight.scaled.iter().map(scaled).collect()
        } else {
            Vec::new()
        },
    }
}

fn recorded_instances(stored: &Snapshot, zone: &str) -> Vec<Instance> {
    let of_zone = |insight: &&Arc<Resource>| {
        insight
            .labels
            .get(labels::ZONE)
            .is_some_and(|label| label == zone)
    };
    let dataplanes = stored.list(kinds::DATAPLANE_INSIGHT, None);
    let dataplanes = dataplanes.filter(of_zone).filter_map(|resource| {
        let insight: DataplaneInsight = resource.spec_as().ok()?;
        recorded_instance(resource, &insight.subscriptions, insight.served)
    });
    let ingresses = stored.list(kinds::ZONE_INGRESS_INSIGHT, None);
    let ingresses = ingresses.filter(of_zone).filter_map(|resource| {
        let insight: ZoneIngressInsight = resource.spec_as().ok()?;
        recorded_instance(resource, &insight.subscriptions, insight.served)
    });
    dataplanes.chain(ingresses).collect()
}

/// Nothing for a proxy without a stream.
fn recorded_instance(
    resource: &Resource,
    subscriptions: &[DiscoverySubscription],
    served: Option<ServedConfiguration>,
) -> Option<Instance> {
    let is_open = subscriptions.last()?.disconnect_time.is_none();
    let served = served.filter(|_| is_open)?;
    let refused = refused(
        &served.refused_type,
        &served.refused_message,
        served.refused_revision,
    );
    Some(Instance {
        mesh: resource.key.mesh.to_string(),
        name: resource.display_name().to_owned(),
        gateway: served.gateway,
        delegated: served.delegated,
        member: served.member,
        served_revision: served.revision,
        refused,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use portolan_store::{Expect, Store, Write, memory};
    use serde_json::{Value, json};

    use super::*;

    async fn put(store: &dyn Store, key: ResourceKey, spec: &Value) {
        let write = Write::Put {
            spec: key.kind.spec_from_json(spec).unwrap(),
            key,
            labels: [(labels::ZONE.to_owned(), "zone-1".to_owned())]
                .into_iter()
                .collect(),
            expect: Expect::Any,
            created: None,
        };
        store.commit(write.into()).await.unwrap();
    }

    #[tokio::test]
    async fn proxies_of_a_zone_elsewhere_are_told_with_its_ingresses() {
        let store = memory::new(CancellationToken::new());
        let connected = json!([{ "connectTime": "2026-01-01T00:00:00Z" }]);
        let gone = json!([{
            "connectTime": "2026-01-01T00:00:00Z", "disconnectTime": "2026-01-01T00:00:01Z",
        }]);
        let insight = |subscriptions: &Value| json!({ "subscriptions": subscriptions, "served": { "revision": 7, "member": true } });
        let member = |name| ResourceKey::in_mesh(kinds::DATAPLANE_INSIGHT, "default", name);
        let ingress = |name| ResourceKey::global(kinds::ZONE_INGRESS_INSIGHT, name);
        put(&*store, member("api"), &insight(&connected)).await;
        put(&*store, member("old"), &insight(&gone)).await;
        put(&*store, ingress("in"), &insight(&connected)).await;
        put(&*store, ingress("out"), &insight(&gone)).await;
        let stored = store.index().snapshot();
        let told = |zone| {
            recorded_instances(&stored, zone)
                .into_iter()
                .map(|instance| (instance.mesh, instance.name, instance.served_revision))
                .collect::<Vec<_>>()
        };
        let expected = [("default", "api", 7), ("", "in", 7)];
        let expected = expected.map(|(mesh, name, at)| (mesh.to_owned(), name.to_owned(), at));
        assert_eq!(told("zone-1"), expected);
        assert_eq!(told("zone-2"), []);
    }
}
