//! The state-of-the-world protocol.

use super::*;

/// A proxy with cluster `a`, which serves the first snapshot; and its last nonce of endpoints.
fn serving() -> (Stream, String) {
    let mut stream = Stream::new(Mode::StateOfTheWorld);
    stream.on_snapshot(snapshot(1, &[("a", "1")], &[], &[]));
    stream.on_request(exactly(CLUSTER, &[], "")).unwrap();
    let clusters = take(&mut stream, CLUSTER, &["a@1"], &[]);
    stream.on_request(exactly(ENDPOINTS, &["a"], "")).unwrap();
    let endpoints = take(&mut stream, ENDPOINTS, &["a@1"], &[]);
    stream.on_request(exactly(LISTENER, &[], "")).unwrap();
    stream
        .on_request(exactly(CLUSTER, &[], &clusters.nonce))
        .unwrap();
    let listeners = take(&mut stream, LISTENER, &[], &[]);
    for (type_url, names, nonce) in [
        (ENDPOINTS, &["a"][..], &endpoints.nonce),
        (LISTENER, &[], &listeners.nonce),
    ] {
        assert_eq!(stream.newly_serving(), None);
        stream.on_request(exactly(type_url, names, nonce)).unwrap();
    }
    assert_eq!(stream.newly_serving(), Some(1));
    (stream, endpoints.nonce)
}

#[test]
fn clusters_are_always_whole_and_endpoints_only_what_changed() {
    let (mut stream, nonce) = serving();
    stream.on_snapshot(snapshot(2, &[("b", "1")], &[], &[]));
    let both = take(&mut stream, CLUSTER, &["a@1", "b@1"], &[]);
    // As Envoy does: it asks for endpoints with the last nonce of these, then acknowledges the clusters.
    stream
        .on_request(exactly(ENDPOINTS, &["a", "b"], &nonce))
        .unwrap();
    let endpoints = take(&mut stream, ENDPOINTS, &["b@1"], &[]);
    stream
        .on_request(exactly(CLUSTER, &[], &both.nonce))
        .unwrap();
    stream
        .on_request(exactly(ENDPOINTS, &["a", "b"], &endpoints.nonce))
        .unwrap();
    let rest = take(&mut stream, CLUSTER, &["b@1"], &[]);
    stream
        .on_request(exactly(ENDPOINTS, &["b"], &endpoints.nonce))
        .unwrap();
    stream
        .on_request(exactly(CLUSTER, &[], &rest.nonce))
        .unwrap();
    nothing(&mut stream);
    assert_eq!(stream.newly_serving(), Some(2));
}

#[test]
fn a_changed_cluster_gets_its_endpoints_again_once() {
    let (mut stream, nonce) = serving();
    stream.on_snapshot(snapshot(2, &[("a", "2")], &[], &[]));
    let clusters = take(&mut stream, CLUSTER, &["a@2"], &[]);
    let endpoints = take(&mut stream, ENDPOINTS, &["a@1"], &[]);
    // Envoy asks again, before it has seen that they are on their way.
    assert_eq!(
        stream.on_request(exactly(ENDPOINTS, &["a"], &nonce)),
        Ok(Heard::Nothing)
    );
    stream
        .on_request(exactly(CLUSTER, &[], &clusters.nonce))
        .unwrap();
    stream
        .on_request(exactly(ENDPOINTS, &["a"], &endpoints.nonce))
        .unwrap();
    nothing(&mut stream);
    assert_eq!(stream.newly_serving(), Some(2));
}

#[test]
fn absence_in_a_whole_response_says_that_a_name_is_not_there() {
    let mut stream = Stream::new(Mode::StateOfTheWorld);
    stream.on_snapshot(snapshot(1, &[("a", "1"), ("b", "1")], &[], &[]));
    stream.on_request(exactly(CLUSTER, &["a"], "")).unwrap();
    let first = take(&mut stream, CLUSTER, &["a@1"], &[]);
    stream
        .on_request(exactly(CLUSTER, &["a", "no"], &first.nonce))
        .unwrap();
    take(&mut stream, CLUSTER, &["a@1"], &[]);
}

#[test]
fn names_that_are_not_there_are_not_answered_until_they_are() {
    let (mut stream, _) = serving();
    stream.on_request(exactly(ROUTES, &["r"], "")).unwrap();
    nothing(&mut stream);
    stream.on_snapshot(snapshot(2, &[("a", "1")], &[], &[("r", "1")]));
    take(&mut stream, ROUTES, &["r@1"], &[]);
}

#[test]
fn all_of_a_type_without_wildcard_are_nobody_asked_for() {
    let (mut stream, _) = serving();
    stream.on_request(exactly(ROUTES, &[], "")).unwrap();
    nothing(&mut stream);
    stream
        .on_request(exactly("example/Unheard", &["*"], ""))
        .unwrap();
    take(&mut stream, "example/Unheard", &[], &[]);
}

/// Envoy does not acknowledge a response of a type in which it has lost all interest.
#[test]
fn a_response_that_nobody_wants_any_more_is_not_waited_for() {
    let (mut stream, nonce) = serving();
    let mut moved = (*snapshot(2, &[("a", "1")], &[], &[])).clone();
    moved.types.insert(ENDPOINTS, resources(&[("a", "2")]));
    stream.on_snapshot(Arc::new(moved));
    take(&mut stream, ENDPOINTS, &["a@2"], &[]);
    stream.on_request(exactly(ENDPOINTS, &[], &nonce)).unwrap();
    nothing(&mut stream);
    stream
        .on_request(exactly(ENDPOINTS, &["a"], &nonce))
        .unwrap();
    take(&mut stream, ENDPOINTS, &["a@2"], &[]);
}
