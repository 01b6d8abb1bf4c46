//! What the insights of zones say when globals come and go.

use std::sync::Arc;

use portolan_model::{ResourceKey, kinds};
use portolan_proto::system::{KdsSubscription, ZoneInsight};
use portolan_store::Snapshot;

use crate::support::{open, serve, store, until};

fn subscription(snapshot: &Snapshot, zone: &str) -> Option<KdsSubscription> {
    let key = ResourceKey::global(kinds::ZONE_INSIGHT, zone);
    let insight: ZoneInsight = snapshot.get(&key)?.spec_as().unwrap();
    insight.subscriptions.last().cloned()
}

fn is_online(snapshot: &Snapshot, zone: &str, global: &str) -> bool {
    subscription(snapshot, zone)
        .is_some_and(|it| it.disconnect_time.is_none() && it.global_instance_id == global)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_global_left_open_is_closed_by_the_next() {
    let store = store();
    let dead = serve("global-1", Arc::clone(&store)).await;
    let _stream = open(dead.address, "zone-1").await;
    until(&store, |it| is_online(it, "zone-1", "global-1")).await;
    drop(dead);
    let _next = serve("global-2", Arc::clone(&store)).await;
    until(&store, |it| {
        subscription(it, "zone-1").is_some_and(|it| it.disconnect_time.is_some())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_living_replica_keeps_its_zones_online_when_another_starts() {
    let store = store();
    let living = serve("global-1", Arc::clone(&store)).await;
    let _stream = open(living.address, "zone-1").await;
    until(&store, |it| is_online(it, "zone-1", "global-1")).await;
    let key = ResourceKey::global(kinds::ZONE_INSIGHT, "zone-1");
    let before = store.index().snapshot().get(&key).unwrap().version;
    let _other = serve("global-2", Arc::clone(&store)).await;
    // Closed by the one, written again by the other.
    until(&store, |it| {
        it.get(&key).unwrap().version >= before + 2 && is_online(it, "zone-1", "global-1")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_that_moved_is_not_called_offline_by_the_replica_that_it_left() {
    let store = store();
    let left = serve("global-1", Arc::clone(&store)).await;
    let joined = serve("global-2", Arc::clone(&store)).await;
    let first = open(left.address, "zone-1").await;
    until(&store, |it| is_online(it, "zone-1", "global-1")).await;
    let _second = open(joined.address, "zone-1").await;
    until(&store, |it| is_online(it, "zone-1", "global-2")).await;
    drop(first);
    // The replica that it left has noticed, and another zone there shows that it has written since.
    let mut zones = left.zones.clone();
    zones
        .wait_for(|zones| !zones["zone-1"].online)
        .await
        .unwrap();
    let _third = open(left.address, "zone-2").await;
    until(&store, |it| is_online(it, "zone-2", "global-1")).await;
    assert!(is_online(&store.index().snapshot(), "zone-1", "global-2"));
}
