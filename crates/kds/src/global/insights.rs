//! Keeps the ZoneInsights up to date: at most once a second for all zones that changed.
//!
//! Several replicas write them. The rule: who has a zone's stream open sees to it that the insight says
//! so; who has lost it says so only while nobody else has it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use portolan_model::{Labels, ResourceKey, Revision, kinds};
use portolan_proto::system::{
    KdsServiceStats, KdsStream, KdsStreams, KdsSubscription, KdsSubscriptionStatus, KumaCpVersion,
    Version, ZoneInsight,
};
use portolan_store::{Batch, Expect, Snapshot, Write};
use prost::Message;
use tokio::sync::watch;
use tracing::warn;

use super::{Shared, ZoneState, Zones, leftovers};

/// Least time between two writes.
const INTERVAL: Duration = Duration::from_secs(1);

/// Runs until cancelled; sleeps while nothing changes.
pub(super) async fn run(shared: Arc<Shared>) {
    tokio::select! {
        () = follow(&shared) => {}
        () = shared.cancel.cancelled() => {}
    }
}

async fn follow(shared: &Shared) {
    leftovers::close(&shared.config).await;
    let instance_id = &shared.config.instance_id;
    let mut zones = shared.registry.watch();
    let mut index = shared.config.store.index().subscribe();
    let mut written = Written::new();
    // Insights up to this revision have been looked at.
    let mut seen = 0;
    loop {
        let newest = zones.borrow_and_update().clone();
        let stored = index.borrow_and_update().clone();
        let due = due(instance_id, &newest, &written, &stored, seen);
        let writes: Vec<_> = due.iter().filter_map(|due| due.write.clone()).collect();
        let wrote = !writes.is_empty();
        let batch = Batch {
            writes,
            ..Batch::default()
        };
        let committed = if wrote {
            shared.config.store.commit(batch).await.map(drop)
        } else {
            Ok(())
        };
        if wrote {
            tokio::time::sleep(INTERVAL).await;
        }
        if let Err(error) = committed {
            warn!(%error, "cannot write the insights of zones; trying again");
            continue;
        }
        let settled = due
            .into_iter()
            .map(|due| (due.state.name.clone(), due.state));
        written.extend(settled);
        seen = stored.revision();
        tokio::select! {
            changed = zones.changed() => if changed.is_err() { return },
            changed = insights_changed(&mut index, stored.last_change(kinds::ZONE_INSIGHT)) => {
                if changed.is_err() { return }
            }
        }
    }
}

/// Waits until some insight was written after `known`.
async fn insights_changed(
    index: &mut watch::Receiver<Arc<Snapshot>>,
    known: Revision,
) -> Result<(), watch::error::RecvError> {
    let newer = |stored: &Arc<Snapshot>| stored.last_change(kinds::ZONE_INSIGHT) > known;
    index.wait_for(newer).await.map(drop)
}

/// What was last written of each zone.
type Written = BTreeMap<String, Arc<ZoneState>>;

/// A zone whose insight no longer tells the truth.
struct Due {
    state: Arc<ZoneState>,
    /// `None` where another replica tells it.
    write: Option<Write>,
}

/// `seen` is the revision up to which the stored insights have been looked at.
fn due(
    instance_id: &str,
    newest: &Zones,
    written: &Written,
    stored: &Snapshot,
    seen: Revision,
) -> Vec<Due> {
    let mut all = Vec::new();
    for state in newest.values() {
        let old = written.get(&state.name);
        let is_news = old.is_none_or(|old| differs(old, state));
        if !is_news && !leftovers::is_written_after(stored, &state.name, seen) {
            continue;
        }
        let told = leftovers::told(stored, &state.name);
        let is_open = told.as_ref().is_some_and(|told| told.is_open);
        let is_ours = told.as_ref().is_none_or(|told| told.by == instance_id);
        // Another replica that starts closes what it does not know to be open.
        let was_closed = state.online && told.is_some() && !is_open;
        if !is_news && !was_closed {
            continue;
        }
        // The zone moved to another replica, which has written already: its stream is the newer one.
        let has_moved = !state.online && is_open && !is_ours;
        all.push(Due {
            state: Arc::clone(state),
            write: (!has_moved).then(|| put(instance_id, state)),
        });
    }
    all
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
        created: None,
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
        scaled: state.scaled.clone(),
        ..ZoneInsight::default()
    }
}
