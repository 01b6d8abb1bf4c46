//! Keeps the ZoneInsights up to date: at most once a second for all zones that changed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use portolan_model::{Labels, ResourceKey, kinds};
use portolan_proto::system::{
    KdsServiceStats, KdsStream, KdsStreams, KdsSubscription, KdsSubscriptionStatus, KumaCpVersion,
    Version, ZoneInsight,
};
use portolan_store::{Batch, Expect, Write};
use prost::Message;
use tracing::warn;

use super::{Shared, ZoneState};

/// Least time between two writes.
const INTERVAL: Duration = Duration::from_secs(1);

/// Runs until cancelled; sleeps while nothing changes.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut zones = shared.registry.watch();
    let mut written: BTreeMap<String, Arc<ZoneState>> = BTreeMap::new();
    loop {
        tokio::select! {
            changed = zones.changed() => if changed.is_err() { return },
            () = shared.cancel.cancelled() => return,
        }
        let newest = zones.borrow_and_update().clone();
        let changed: Vec<_> = newest
            .values()
            .filter(|state| {
                written
                    .get(&state.name)
                    .is_none_or(|old| differs(old, state))
            })
            .cloned()
            .collect();
        let writes = changed
            .iter()
            .map(|state| put(&shared.config.instance_id, state))
            .collect();
        match shared
            .config
            .store
            .commit(Batch {
                writes,
                ..Batch::default()
            })
            .await
        {
            Ok(_) => {
                written.extend(changed.into_iter().map(|state| (state.name.clone(), state)));
            }
            Err(error) => warn!(%error, "cannot write the insights of zones; trying again later"),
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = shared.cancel.cancelled() => return,
        }
    }
}

/// Whether anything changed that an insight tells; proxies have insights of their own.
fn differs(old: &ZoneState, new: &ZoneState) -> bool {
    let without_proxies = |state: &ZoneState| ZoneState {
        instances: Vec::new(),
        ..state.clone()
    };
    without_proxies(old) != without_proxies(new)
}

fn put(instance_id: &str, state: &ZoneState) -> Write {
    Write::Put {
        key: ResourceKey::global(kinds::ZONE_INSIGHT, state.name.as_str()),
        labels: Labels::new(),
        spec: insight(instance_id, state).encode_to_vec().into(),
        expect: Expect::Any,
    }
}

fn insight(instance_id: &str, state: &ZoneState) -> ZoneInsight {
    let stats = |counts: &[u64; 3]| KdsServiceStats {
        responses_sent: counts[0],
        responses_acknowledged: counts[1],
        responses_rejected: counts[2],
    };
    let mut total = [0; 3];
    for counts in state.counts.values() {
        for (sum, count) in total.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    let stream = KdsStream {
        global_instance_id: instance_id.to_owned(),
        connect_time: Some(state.connected.into()),
    };
    let subscription = KdsSubscription {
        id: format!("{instance_id}-{}", state.stream),
        global_instance_id: instance_id.to_owned(),
        zone_instance_id: state.instance_id.clone(),
        connect_time: Some(state.connected.into()),
        disconnect_time: (!state.online).then(|| state.since.into()),
        status: Some(KdsSubscriptionStatus {
            last_update_time: Some(Timestamp::now().into()),
            total: Some(stats(&total)),
            stat: state
                .counts
                .iter()
                .map(|(kind, counts)| (kind.clone(), stats(counts)))
                .collect(),
        }),
        version: Some(Version {
            kuma_cp: Some(KumaCpVersion {
                version: state.version.clone(),
                kuma_cp_global_compatible: true,
                ..KumaCpVersion::default()
            }),
        }),
        ..KdsSubscription::default()
    };
    ZoneInsight {
        subscriptions: vec![subscription],
        kds_streams: Some(KdsStreams {
            global_to_zone: state.online.then(|| stream.clone()),
            zone_to_global: state.online.then_some(stream),
            ..KdsStreams::default()
        }),
        acknowledged_revision: state.acknowledged_revision,
        last_error: state.last_error.clone().unwrap_or_default(),
        ..ZoneInsight::default()
    }
}
