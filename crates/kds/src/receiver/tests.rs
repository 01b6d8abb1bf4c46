use portolan_model::kinds;
use portolan_proto::{
    discovery::Resource as WireResource, mesh::kuma_resource::Meta, well_known::Any,
};
use portolan_store::Store;

use super::*;
use crate::fixtures::{labels, mesh, put, put_labelled, route, snapshot, store};

const FROM_GLOBAL: [(&str, &str); 1] = [(labels::ORIGIN, labels::ORIGIN_GLOBAL)];

fn resource(key: &ResourceKey, labels: Labels) -> WireResource {
    let body = KumaResource {
        meta: Some(Meta {
            name: key.name.to_string(),
            mesh: key.mesh.to_string(),
            labels,
            ..Meta::default()
        }),
        ..KumaResource::default()
    };
    WireResource {
        name: format!("{}.{}", key.name, key.mesh),
        resource: Some(Any {
            value: body.encode_to_vec().into(),
            ..Any::default()
        }),
        ..WireResource::default()
    }
}

/// A response about routes that brings some and removes others.
fn response(progress: &str, puts: &[&str], removed: &[&str]) -> DeltaDiscoveryResponse {
    let puts = puts
        .iter()
        .map(|name| resource(&route(name), Labels::new()));
    DeltaDiscoveryResponse {
        system_version_info: progress.to_owned(),
        type_url: "MeshGatewayRoute".to_owned(),
        nonce: "7".to_owned(),
        resources: puts.collect(),
        removed_resources: removed
            .iter()
            .map(|name| format!("{name}.default"))
            .collect(),
        ..DeltaDiscoveryResponse::default()
    }
}

fn from_global() -> Receiver {
    Receiver::new(From::Global, "zone-1")
}

/// Receives and writes.
async fn take(receiver: &mut Receiver, store: &dyn Store, response: DeltaDiscoveryResponse) {
    let received = receiver.receive(response, &snapshot(store));
    assert_eq!(received.answer.error_detail, None);
    store.commit(received.batch).await.unwrap();
}

fn routes(store: &dyn Store) -> Vec<String> {
    let snapshot = snapshot(store);
    snapshot
        .list(kinds::MESH_GATEWAY_ROUTE, None)
        .map(|route| route.key.name.to_string())
        .collect()
}

#[tokio::test]
async fn a_response_is_one_batch_with_its_watermark() {
    let store = store();
    put_labelled(&*store, route("b"), labels(FROM_GLOBAL)).await;
    let response = response("delta:17:s", &["a", "c"], &["b"]);
    let received = from_global().receive(response, &snapshot(&*store));
    assert_eq!(received.batch.writes.len(), 3);
    let watermark = Watermark {
        store_id: "s".to_owned(),
        revision: 17,
    };
    assert_eq!(received.batch.watermark, Some(watermark));
    assert_eq!(received.answer.response_nonce, "7");
    assert_eq!(received.answer.type_url, "MeshGatewayRoute");
    assert_eq!(received.answer.node.unwrap().id, "zone-1");
    assert!(received.answer.resource_names_subscribe.is_empty());
    store.commit(received.batch).await.unwrap();
    assert_eq!(routes(&*store), ["a", "c"]);
    let labels = snapshot(&*store).get(&route("a")).unwrap().labels.clone();
    assert_eq!(labels[labels::ORIGIN], labels::ORIGIN_GLOBAL);
}

#[tokio::test]
async fn what_is_unchanged_is_not_written() {
    let store = store();
    let mut receiver = from_global();
    take(&mut receiver, &*store, response("", &["a", "b"], &[])).await;
    let before = snapshot(&*store).revision();
    let mut reconnected = from_global();
    take(&mut reconnected, &*store, response("", &["a", "b"], &[])).await;
    assert_eq!(snapshot(&*store).revision(), before);
}

fn created(store: &dyn Store, name: &str) -> Timestamp {
    snapshot(store).get(&route(name)).unwrap().created
}

/// A response about the route `a`, created so many seconds after the epoch if that is told.
fn created_at(seconds: Option<i64>) -> DeltaDiscoveryResponse {
    let mut response = response("", &["a"], &[]);
    let any = response.resources[0].resource.as_mut().unwrap();
    let mut body = KumaResource::decode(any.value.clone()).unwrap();
    let time = seconds.map(|seconds| WireTime { seconds, nanos: 5 });
    body.meta.as_mut().unwrap().creation_time = time;
    any.value = body.encode_to_vec().into();
    response
}

#[tokio::test]
async fn a_resource_is_as_old_as_the_global_says() {
    let store = store();
    let mut receiver = from_global();
    take(&mut receiver, &*store, created_at(Some(17))).await;
    assert_eq!(created(&*store, "a"), Timestamp::new(17, 5).unwrap());
    // Deleted and made anew meanwhile.
    take(&mut receiver, &*store, created_at(Some(18))).await;
    assert_eq!(created(&*store, "a"), Timestamp::new(18, 5).unwrap());
}

#[tokio::test]
async fn under_a_kuma_global_nobody_is_older_than_another() {
    let store = store();
    take(&mut from_global(), &*store, created_at(None)).await;
    assert_eq!(created(&*store, "a"), Timestamp::UNIX_EPOCH);
}

#[tokio::test]
async fn what_a_kuma_zone_sends_is_as_old_as_its_arrival() {
    let store = store();
    let (key, sent) = dataplane("zone-1", Labels::new());
    let response = of_dataplanes(vec![sent], &[]);
    let mut receiver = Receiver::new(From::Zone("zone-1".to_owned()), "zone-1");
    take(&mut receiver, &*store, response).await;
    assert!(snapshot(&*store).get(&key).unwrap().created > Timestamp::UNIX_EPOCH);
}

#[tokio::test]
async fn the_first_response_of_a_kuma_global_is_everything_and_later_ones_are_changes() {
    let store = store();
    let mut receiver = from_global();
    take(&mut receiver, &*store, response("", &["a", "b"], &[])).await;
    take(&mut receiver, &*store, response("", &["c"], &["a"])).await;
    assert_eq!(routes(&*store), ["b", "c"]);
    let mut reconnected = from_global();
    take(&mut reconnected, &*store, response("", &["c", "d"], &[])).await;
    assert_eq!(routes(&*store), ["c", "d"]);
}

#[tokio::test]
async fn a_full_listing_of_a_kuma_global_may_be_empty() {
    let store = store();
    let mut receiver = from_global();
    take(&mut receiver, &*store, response("", &["a"], &[])).await;
    take(&mut from_global(), &*store, response("", &[], &[])).await;
    assert!(routes(&*store).is_empty());
}

#[tokio::test]
async fn a_resumed_stream_removes_nothing_that_it_does_not_name() {
    let store = store();
    let mut receiver = from_global();
    take(
        &mut receiver,
        &*store,
        response("list:5:s", &["a", "b"], &[]),
    )
    .await;
    let mut reconnected = from_global();
    let difference = response("delta:6:s", &["c"], &[]);
    take(&mut reconnected, &*store, difference).await;
    assert_eq!(routes(&*store), ["a", "b", "c"]);
}

#[tokio::test]
async fn pages_remove_what_none_of_them_lists_at_the_last() {
    let store = store();
    let mut receiver = from_global();
    take(
        &mut receiver,
        &*store,
        response("list:5:s", &["a", "b", "z"], &[]),
    )
    .await;
    let pages = [
        ("list-first:0:s", ["a"], vec!["a", "b", "z"]),
        ("list-more:0:s", ["c"], vec!["a", "b", "c", "z"]),
        ("list-last:9:s", ["d"], vec!["a", "c", "d"]),
    ];
    for (progress, puts, expected) in pages {
        take(&mut receiver, &*store, response(progress, &puts, &[])).await;
        assert_eq!(routes(&*store), expected, "{progress}");
    }
}

#[tokio::test]
async fn a_listing_that_begins_anew_forgets_the_one_before() {
    let store = store();
    let mut receiver = from_global();
    for restart in ["list-first:0:s", "list:9:s"] {
        take(
            &mut receiver,
            &*store,
            response("list-first:0:s", &["a"], &[]),
        )
        .await;
        take(&mut receiver, &*store, response(restart, &["b"], &[])).await;
        if restart != "list:9:s" {
            take(&mut receiver, &*store, response("list-last:9:s", &[], &[])).await;
        }
        assert_eq!(routes(&*store), ["b"], "{restart}");
    }
}

#[tokio::test]
async fn changed_and_removed_in_one_response_is_changed() {
    let store = store();
    put_labelled(&*store, route("a"), labels(FROM_GLOBAL)).await;
    take(&mut from_global(), &*store, response("", &["a"], &["a"])).await;
    assert_eq!(routes(&*store), ["a"]);
}

#[tokio::test]
async fn the_global_touches_nothing_of_the_zone() {
    let store = store();
    let own = labels([(labels::ORIGIN, labels::ORIGIN_ZONE)]);
    put_labelled(&*store, route("own"), own.clone()).await;
    take(&mut from_global(), &*store, response("", &[], &["own"])).await;
    let received = from_global().receive(response("", &["own"], &[]), &snapshot(&*store));
    let refusal = received.answer.error_detail.unwrap();
    assert!(refusal.message.contains("own.default"), "{refusal:?}");
    assert!(received.batch.writes.is_empty());
    assert_eq!(routes(&*store), ["own"]);
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_the_rest_is_taken() {
    let store = store();
    let mut mixed = response("", &["a"], &[]);
    let broken = |name: &str, value: &'static [u8]| WireResource {
        name: name.to_owned(),
        resource: Some(Any {
            value: value.into(),
            ..Any::default()
        }),
        ..WireResource::default()
    };
    mixed.resources.extend([
        broken("bytes.default", b"\xff\xff"),
        broken("empty.default", b""),
        resource(&mesh("without-mesh"), Labels::new()),
        resource(&route("No_Name"), Labels::new()),
    ]);
    let received = from_global().receive(mixed, &snapshot(&*store));
    let refusal = received.answer.error_detail.unwrap();
    assert_eq!(refusal.code, INVALID);
    for name in ["bytes.default", "empty.default", "without-mesh.", "No_Name"] {
        assert!(refusal.message.contains(name), "{name}: {refusal:?}");
    }
    assert_eq!(received.answer.resource_names_subscribe, ["*"]);
    store.commit(received.batch).await.unwrap();
    assert_eq!(routes(&*store), ["a"]);
}

#[tokio::test]
async fn a_kind_that_does_not_come_from_there_is_refused() {
    let store = store();
    put(&*store, mesh("default"), "1").await;
    let zone = From::Zone("zone-1".to_owned());
    let cases = [
        (From::Global, "MeshTimeout"),
        (From::Global, "Dataplane"),
        (zone.clone(), "Mesh"),
        (zone, "Zone"),
    ];
    for (from, kind) in cases {
        let mut response = response("", &[], &["default"]);
        response.type_url = kind.to_owned();
        let received = Receiver::new(from, "zone-1").receive(response, &snapshot(&*store));
        let refusal = received.answer.error_detail.unwrap();
        assert!(refusal.message.contains(kind), "{refusal:?}");
        assert!(received.batch.writes.is_empty());
    }
}

/// A Dataplane as a zone of that name sends it.
fn dataplane(zone: &str, extra: Labels) -> (ResourceKey, WireResource) {
    let name = portolan_model::naming::hashed_name("default", "api-1", Some(zone), None);
    let key = ResourceKey::in_mesh(kinds::DATAPLANE, "default", name);
    let mut all = labels([(labels::DISPLAY_NAME, "api-1")]);
    all.extend(extra);
    (key.clone(), resource(&key, all))
}

fn of_dataplanes(resources: Vec<WireResource>, removed: &[&ResourceKey]) -> DeltaDiscoveryResponse {
    DeltaDiscoveryResponse {
        type_url: "Dataplane".to_owned(),
        nonce: "1".to_owned(),
        resources,
        removed_resources: removed
            .iter()
            .map(|key| format!("{}.{}", key.name, key.mesh))
            .collect(),
        ..DeltaDiscoveryResponse::default()
    }
}

#[tokio::test]
async fn a_zone_writes_under_its_own_name_alone() {
    let store = store();
    let (mine, sent) = dataplane("zone-1", labels([(labels::ZONE, "zone-2")]));
    let (others, forged) = dataplane("zone-2", Labels::new());
    let mut receiver = Receiver::new(From::Zone("zone-1".to_owned()), "zone-1");
    let received = receiver.receive(of_dataplanes(vec![sent, forged], &[]), &snapshot(&*store));
    let refusal = received.answer.error_detail.unwrap();
    assert!(refusal.message.contains(&*others.name), "{refusal:?}");
    store.commit(received.batch).await.unwrap();
    let snapshot = snapshot(&*store);
    assert!(snapshot.get(&others).is_none());
    assert_eq!(snapshot.get(&mine).unwrap().labels[labels::ZONE], "zone-1");
}

#[tokio::test]
async fn a_zone_removes_nothing_of_another() {
    let store = store();
    let mut keys = Vec::new();
    for zone in ["zone-1", "zone-2"] {
        let (key, sent) = dataplane(zone, Labels::new());
        let mut receiver = Receiver::new(From::Zone(zone.to_owned()), zone);
        take(&mut receiver, &*store, of_dataplanes(vec![sent], &[])).await;
        keys.push(key);
    }
    let mut receiver = Receiver::new(From::Zone("zone-1".to_owned()), "zone-1");
    // By name, and then by what the first response of a stream does not list.
    let by_name = of_dataplanes(Vec::new(), &[&keys[1]]);
    take(&mut receiver, &*store, by_name).await;
    let snapshot = snapshot(&*store);
    assert!(snapshot.get(&keys[0]).is_none());
    assert!(snapshot.get(&keys[1]).is_some());
}
