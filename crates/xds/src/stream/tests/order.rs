//! What is used comes before its users and goes after them.

use super::*;
use crate::type_urls::{RUNTIME, SECRET};

#[test]
fn routes_wait_until_their_new_cluster_is_warm_and_the_old_one_goes_after_them() {
    let mut stream = serving();
    stream.on_snapshot(snapshot(2, &[("b", "1")], &[("l", "1")], &[("r", "2")]));
    let cluster = take(&mut stream, CLUSTER, &["b@1"], &[]);
    nothing(&mut stream);
    // Envoy acknowledges the cluster only when it has its endpoints.
    stream.on_request(subscribe(ENDPOINTS, &["b"])).unwrap();
    expect(&mut stream, ENDPOINTS, &["b@1"], &[]);
    nothing(&mut stream);
    stream.on_request(acknowledge(&cluster)).unwrap();
    expect(&mut stream, ROUTES, &["r@2"], &[]);
    assert_eq!(
        stream.newly_serving(),
        None,
        "the old cluster is still there"
    );
    let removal = take(&mut stream, CLUSTER, &[], &["a"]);
    stream.on_request(change(ENDPOINTS, &[], &["a"])).unwrap();
    stream.on_request(acknowledge(&removal)).unwrap();
    nothing(&mut stream);
    assert_eq!(stream.newly_serving(), Some(2));
}

#[test]
fn endpoints_that_are_still_asked_for_are_removed_after_their_cluster() {
    let mut stream = serving();
    stream.on_snapshot(snapshot(2, &[], &[], &[]));
    expect(&mut stream, LISTENER, &[], &["l"]);
    expect(&mut stream, ROUTES, &[], &["r"]);
    expect(&mut stream, CLUSTER, &[], &["a"]);
    expect(&mut stream, ENDPOINTS, &[], &["a"]);
    nothing(&mut stream);
    assert_eq!(stream.newly_serving(), Some(2));
}

#[test]
fn a_changed_cluster_gets_its_endpoints_again_without_delay() {
    let mut stream = serving();
    stream.on_snapshot(snapshot(2, &[("a", "2")], &[("l", "1")], &[("r", "1")]));
    let cluster = take(&mut stream, CLUSTER, &["a@2"], &[]);
    expect(&mut stream, ENDPOINTS, &["a@1"], &[]);
    assert_eq!(stream.newly_serving(), None);
    stream.on_request(acknowledge(&cluster)).unwrap();
    nothing(&mut stream);
    assert_eq!(stream.newly_serving(), Some(2));
}

#[test]
fn endpoints_do_not_wait_for_clusters_that_do_not_get_warm() {
    let mut stream = serving();
    stream.on_snapshot(snapshot(
        2,
        &[("a", "1"), ("b", "1")],
        &[("l", "1")],
        &[("r", "1")],
    ));
    take(&mut stream, CLUSTER, &["b@1"], &[]);
    let mut moved = (*snapshot(3, &[("a", "1"), ("b", "1")], &[("l", "1")], &[("r", "2")])).clone();
    moved
        .types
        .insert(ENDPOINTS, resources(&[("a", "2"), ("b", "1")]));
    stream.on_snapshot(Arc::new(moved));
    expect(&mut stream, ENDPOINTS, &["a@2"], &[]);
    nothing(&mut stream);
}

#[test]
fn a_cluster_that_is_gone_before_it_was_warm_still_gets_its_endpoints() {
    let mut stream = serving();
    stream.on_snapshot(snapshot(
        2,
        &[("a", "1"), ("b", "1")],
        &[("l", "1")],
        &[("r", "1")],
    ));
    let cluster = take(&mut stream, CLUSTER, &["b@1"], &[]);
    stream.on_snapshot(snapshot(3, &[("a", "1")], &[("l", "1")], &[("r", "2")]));
    stream.on_request(subscribe(ENDPOINTS, &["b"])).unwrap();
    expect(&mut stream, ENDPOINTS, &["b@1"], &[]);
    stream.on_request(acknowledge(&cluster)).unwrap();
    expect(&mut stream, ROUTES, &["r@2"], &[]);
    expect(&mut stream, CLUSTER, &[], &["b"]);
    expect(&mut stream, ENDPOINTS, &[], &["b"]);
    assert_eq!(stream.newly_serving(), Some(3));
}

#[test]
fn a_listener_takes_the_place_of_another_in_one_response() {
    let mut stream = serving();
    stream.on_snapshot(snapshot(2, &[("a", "1")], &[("m", "1")], &[("r", "1")]));
    expect(&mut stream, LISTENER, &["m@1"], &["l"]);
    assert_eq!(stream.newly_serving(), Some(2));
}

#[test]
fn routes_of_a_new_listener_are_there_as_soon_as_it_is_acknowledged() {
    let mut stream = serving();
    let next = [("r", "1"), ("s", "1")];
    stream.on_snapshot(snapshot(2, &[("a", "1")], &[("l", "1"), ("m", "1")], &next));
    let listener = take(&mut stream, LISTENER, &["m@1"], &[]);
    stream.on_request(subscribe(ROUTES, &["s"])).unwrap();
    nothing(&mut stream);
    stream.on_request(acknowledge(&listener)).unwrap();
    expect(&mut stream, ROUTES, &["s@1"], &[]);
    assert_eq!(stream.newly_serving(), Some(2));
}

#[test]
fn secrets_come_before_clusters_and_go_last() {
    let mut stream = Stream::new(Mode::Delta);
    let with = |watermark, secrets: &Entries<'_>, clusters: &Entries<'_>| {
        let types = [(SECRET, resources(secrets)), (CLUSTER, resources(clusters))];
        Arc::new(Snapshot {
            watermark,
            types: types.into(),
        })
    };
    stream.on_snapshot(with(1, &[("s", "1")], &[("a", "1")]));
    stream.on_request(subscribe(CLUSTER, &[])).unwrap();
    expect(&mut stream, CLUSTER, &["a@1"], &[]);
    stream.on_request(subscribe(SECRET, &["s"])).unwrap();
    expect(&mut stream, SECRET, &["s@1"], &[]);
    stream.on_snapshot(with(2, &[("s", "2")], &[("a", "2")]));
    expect(&mut stream, SECRET, &["s@2"], &[]);
    expect(&mut stream, CLUSTER, &["a@2"], &[]);
    stream.on_snapshot(with(3, &[], &[]));
    expect(&mut stream, CLUSTER, &[], &["a"]);
    expect(&mut stream, SECRET, &[], &["s"]);
}

#[test]
fn who_asks_for_one_type_only_is_served_with_that() {
    let mut stream = Stream::new(Mode::Delta);
    stream.on_request(subscribe(ROUTES, &["r"])).unwrap();
    nothing(&mut stream);
    stream.on_snapshot(snapshot(1, &[("a", "1")], &[("l", "1")], &[("r", "1")]));
    expect(&mut stream, ROUTES, &["r@1"], &[]);
    stream.on_snapshot(snapshot(2, &[("b", "1")], &[("m", "1")], &[("r", "2")]));
    expect(&mut stream, ROUTES, &["r@2"], &[]);
    assert_eq!(stream.newly_serving(), None, "it has no listener");
}

#[test]
fn a_newer_watermark_without_changes_is_served_at_once() {
    let mut stream = serving();
    stream.on_snapshot(snapshot(9, &[("a", "1")], &[("l", "1")], &[("r", "1")]));
    nothing(&mut stream);
    assert_eq!(stream.newly_serving(), Some(9));
}

#[test]
fn intermediate_snapshots_are_skipped() {
    let mut stream = serving();
    for (watermark, version) in [(2, "2"), (3, "3"), (4, "4")] {
        let routes = [("r", version)];
        stream.on_snapshot(snapshot(watermark, &[("a", "1")], &[("l", "1")], &routes));
    }
    expect(&mut stream, ROUTES, &["r@2"], &[]);
    assert_eq!(stream.newly_serving(), Some(2));
    expect(&mut stream, ROUTES, &["r@4"], &[]);
    assert_eq!(stream.newly_serving(), Some(4));
}

#[test]
fn clusters_that_change_all_the_time_do_not_keep_routes_from_changing() {
    let mut stream = serving();
    let next = |turn: u64| {
        let version = turn.to_string();
        snapshot(turn, &[("a", &version)], &[("l", "1")], &[("r", &version)])
    };
    stream.on_snapshot(next(2));
    let mut routes = Vec::new();
    for turn in 3..20 {
        stream.on_snapshot(next(turn));
        while let Some(response) = stream.next_response() {
            if response.type_url == ROUTES {
                routes.push(brought(&response)[0].clone());
            }
            stream.on_request(acknowledge(&response)).unwrap();
            stream.on_snapshot(next(turn));
        }
    }
    assert!(routes.len() > 10, "{routes:?}");
}

#[test]
fn types_that_nobody_knows_are_not_ordered_and_answered() {
    let mut stream = Stream::new(Mode::Delta);
    let types = [
        ("example/Thing", resources(&[("t", "1")])),
        (RUNTIME, resources(&[("layer", "1")])),
    ];
    stream.on_snapshot(Arc::new(Snapshot {
        watermark: 1,
        types: types.into(),
    }));
    stream
        .on_request(subscribe("example/Thing", &["t", "other"]))
        .unwrap();
    expect(&mut stream, "example/Thing", &["t@1"], &["other"]);
    stream
        .on_request(subscribe("example/Unheard", &["x"]))
        .unwrap();
    expect(&mut stream, "example/Unheard", &[], &["x"]);
    stream.on_request(subscribe(RUNTIME, &["layer"])).unwrap();
    expect(&mut stream, RUNTIME, &["layer@1"], &[]);
    nothing(&mut stream);
}
