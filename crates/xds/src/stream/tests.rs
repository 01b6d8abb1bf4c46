#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    resource::Resources,
    type_urls::{CLUSTER, ENDPOINTS, LISTENER, ROUTES},
};

fn resources(entries: &[(&str, &str)]) -> Arc<Resources> {
    let resource = |version: &str| Resource { version: version.into(), body: Default::default() };
    Arc::new(entries.iter().map(|(name, version)| ((*name).into(), resource(version))).collect())
}

type Entries<'a> = [(&'a str, &'a str)];

fn snapshot(
    watermark: u64,
    clusters: &Entries<'_>,
    listeners: &Entries<'_>,
    routes: &Entries<'_>,
) -> Arc<Snapshot> {
    let types = [
        (CLUSTER, resources(clusters)),
        (ENDPOINTS, resources(clusters)),
        (LISTENER, resources(listeners)),
        (ROUTES, resources(routes)),
    ];
    Arc::new(Snapshot { watermark, types: types.into() })
}

fn ask(type_url: &str, names: &[&str]) -> Request {
    let subscribe = names.iter().map(|name| (*name).to_owned()).collect();
    Request {
        type_url: type_url.to_owned(),
        names: Names::Change { subscribe, unsubscribe: Vec::new() },
        ..Request::default()
    }
}

fn acknowledge(response: &Response) -> Request {
    Request {
        type_url: response.type_url.clone(),
        nonce: response.nonce.clone(),
        ..Request::default()
    }
}

fn names(response: &Response) -> Vec<&str> {
    response.resources.iter().map(|(name, _)| &**name).collect()
}

/// Takes the next response, which must be of that type with these names, and acknowledges it.
fn expect(stream: &mut Stream, type_url: &str, sent: &[&str], removed: &[&str]) {
    let response = stream.next().unwrap();
    assert_eq!(response.type_url, type_url);
    assert_eq!(names(&response), sent, "{type_url}");
    assert_eq!(response.removed.iter().map(|name| &**name).collect::<Vec<_>>(), removed);
    assert_eq!(stream.hear(acknowledge(&response)), Heard::Acknowledged);
}

/// A proxy that serves one cluster, one listener and its routes.
fn serving() -> Stream {
    let mut stream = Stream::new(Mode::Delta);
    stream.set_target(snapshot(1, &[("a", "1")], &[("l", "1")], &[("r", "1")]));
    stream.hear(ask(CLUSTER, &[]));
    stream.hear(ask(LISTENER, &[]));
    expect(&mut stream, CLUSTER, &["a"], &[]);
    assert_eq!(stream.next(), None, "listeners wait for the endpoints of the new cluster");
    stream.hear(ask(ENDPOINTS, &["a"]));
    expect(&mut stream, ENDPOINTS, &["a"], &[]);
    expect(&mut stream, LISTENER, &["l"], &[]);
    assert_eq!(stream.serving(), None, "the routes are not yet there");
    stream.hear(ask(ROUTES, &["r"]));
    expect(&mut stream, ROUTES, &["r"], &[]);
    assert_eq!(stream.serving(), Some(1));
    stream
}

#[test]
fn what_is_used_comes_before_its_users() {
    let mut stream = serving();
    assert_eq!(stream.next(), None);
}

#[test]
fn endpoints_go_out_while_envoy_withholds_the_answer_for_its_clusters() {
    let mut stream = Stream::new(Mode::Delta);
    stream.set_target(snapshot(1, &[("a", "1")], &[("l", "1")], &[]));
    stream.hear(ask(CLUSTER, &[]));
    stream.hear(ask(LISTENER, &[]));
    let clusters = stream.next().unwrap();
    stream.hear(ask(ENDPOINTS, &["a"]));
    expect(&mut stream, ENDPOINTS, &["a"], &[]);
    assert_eq!(stream.next(), None, "the cluster is not yet warm");
    stream.hear(acknowledge(&clusters));
    expect(&mut stream, LISTENER, &["l"], &[]);
}

#[test]
fn what_is_removed_goes_after_its_users() {
    let mut stream = serving();
    stream.set_target(snapshot(2, &[("b", "1")], &[("l", "1")], &[("r", "2")]));
    expect(&mut stream, CLUSTER, &["b"], &[]);
    assert_eq!(stream.next(), None);
    stream.hear(ask(ENDPOINTS, &["b"]));
    expect(&mut stream, ENDPOINTS, &["b"], &[]);
    expect(&mut stream, ROUTES, &["r"], &[]);
    expect(&mut stream, CLUSTER, &[], &["a"]);
    expect(&mut stream, ENDPOINTS, &[], &["a"]);
    assert_eq!(stream.serving(), Some(2));
}

#[test]
fn a_changed_cluster_gets_its_endpoints_again() {
    let mut stream = serving();
    let mut next = (*snapshot(2, &[("a", "1")], &[("l", "1")], &[("r", "1")])).clone();
    next.types.insert(CLUSTER, resources(&[("a", "2")]));
    stream.set_target(Arc::new(next));
    expect(&mut stream, CLUSTER, &["a"], &[]);
    expect(&mut stream, ENDPOINTS, &["a"], &[]);
    assert_eq!(stream.serving(), Some(2));
}

#[test]
fn a_newer_watermark_without_changes_is_served_at_once() {
    let mut stream = serving();
    stream.set_target(snapshot(9, &[("a", "1")], &[("l", "1")], &[("r", "1")]));
    assert_eq!(stream.next(), None);
    assert_eq!(stream.serving(), Some(9));
}

#[test]
fn intermediate_snapshots_are_skipped() {
    let mut stream = serving();
    let routes = |version| snapshot(version, &[("a", "1")], &[("l", "1")], &[("r", ["2", "3", "4"][version as usize])]);
    stream.set_target(routes(0));
    let first = stream.next().unwrap();
    stream.set_target(routes(1));
    stream.set_target(routes(2));
    assert_eq!(stream.next(), None, "one response in flight");
    stream.hear(acknowledge(&first));
    let second = stream.next().unwrap();
    assert_eq!(&*second.resources[0].1.version, "4");
}

#[test]
fn what_was_refused_is_not_sent_again_until_it_changes() {
    let mut stream = serving();
    stream.set_target(snapshot(2, &[("a", "1")], &[("l", "bad")], &[("r", "1")]));
    let response = stream.next().unwrap();
    let refusal = Request { error: Some("no".to_owned()), ..acknowledge(&response) };
    let Heard::Refused(refusal) = stream.hear(refusal) else { panic!("not refused") };
    assert_eq!((refusal.message.as_str(), refusal.watermark), ("no", 2));
    assert_eq!(stream.next(), None);
    assert_eq!(stream.serving(), None);
    stream.set_target(snapshot(3, &[("a", "1")], &[("l", "bad")], &[("r", "2")]));
    expect(&mut stream, ROUTES, &["r"], &[]);
    assert_eq!(stream.serving(), None, "the refusal is still in force");
    stream.set_target(snapshot(4, &[("a", "1")], &[("l", "2")], &[("r", "2")]));
    expect(&mut stream, LISTENER, &["l"], &[]);
    assert_eq!(stream.serving(), Some(4));
}

#[test]
fn a_reconnected_proxy_gets_only_what_it_lacks() {
    let mut stream = Stream::new(Mode::Delta);
    stream.set_target(snapshot(5, &[("a", "1"), ("b", "2")], &[], &[]));
    let known = [("a", "1"), ("b", "1"), ("gone", "1")];
    let known = known.map(|(name, version)| (name.to_owned(), version.to_owned())).into();
    stream.hear(Request { known, ..ask(CLUSTER, &["*"]) });
    let known = [("a".to_owned(), "1".to_owned())].into();
    stream.hear(Request { known, ..ask(ENDPOINTS, &["a", "b"]) });
    expect(&mut stream, CLUSTER, &["b"], &[]);
    expect(&mut stream, ENDPOINTS, &["b"], &[]);
    expect(&mut stream, CLUSTER, &[], &["gone"]);
}

#[test]
fn who_asks_for_all_gets_an_answer_even_if_there_is_nothing() {
    for mode in [Mode::Delta, Mode::StateOfTheWorld] {
        let mut stream = Stream::new(mode);
        stream.hear(Request { type_url: CLUSTER.to_owned(), ..Request::default() });
        assert_eq!(stream.next(), None, "nothing is said before there is a snapshot");
        stream.set_target(snapshot(1, &[], &[], &[]));
        assert!(stream.next().unwrap().resources.is_empty());
    }
}

#[test]
fn the_state_of_the_world_keeps_what_goes_until_its_users_are_gone() {
    let mut stream = Stream::new(Mode::StateOfTheWorld);
    let exactly = |type_url: &str, names: &[&str], nonce: &str| Request {
        type_url: type_url.to_owned(),
        names: Names::Exactly(names.iter().map(|name| (*name).to_owned()).collect()),
        nonce: nonce.to_owned(),
        ..Request::default()
    };
    stream.set_target(snapshot(1, &[("a", "1")], &[], &[]));
    stream.hear(exactly(CLUSTER, &[], ""));
    let first = stream.next().unwrap();
    stream.hear(exactly(CLUSTER, &[], &first.nonce));
    stream.hear(exactly(ENDPOINTS, &["a"], ""));
    let endpoints = stream.next().unwrap();
    stream.hear(exactly(ENDPOINTS, &["a"], &endpoints.nonce));
    assert_eq!(stream.serving(), Some(1));

    stream.set_target(snapshot(2, &[("b", "1")], &[], &[]));
    let both = stream.next().unwrap();
    assert_eq!(names(&both), ["a", "b"]);
    assert_eq!(stream.hear(exactly(CLUSTER, &[], "outdated")), Heard::Nothing);
    stream.hear(exactly(CLUSTER, &[], &both.nonce));
    stream.hear(exactly(ENDPOINTS, &["a", "b"], &endpoints.nonce));
    let more = stream.next().unwrap();
    assert_eq!(names(&more), ["b"]);
    stream.hear(exactly(ENDPOINTS, &["a", "b"], &more.nonce));
    let rest = stream.next().unwrap();
    assert_eq!((rest.type_url.as_str(), names(&rest)), (CLUSTER, vec!["b"]));
}
