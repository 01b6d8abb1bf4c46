//! The incremental protocol.

use super::*;

fn known(entries: &Entries<'_>) -> BTreeMap<String, String> {
    entries
        .iter()
        .map(|(name, version)| (name.to_string(), version.to_string()))
        .collect()
}

#[test]
fn a_reconnected_proxy_gets_only_what_it_lacks() {
    let mut stream = Stream::new(Mode::Delta);
    stream.on_snapshot(snapshot(5, &[("a", "1"), ("b", "2")], &[], &[]));
    let clusters = known(&[("a", "1"), ("b", "1"), ("gone", "1")]);
    stream
        .on_request(Request {
            known: clusters,
            ..subscribe(CLUSTER, &["*"])
        })
        .unwrap();
    let endpoints = known(&[("a", "1"), ("b", "1"), ("gone", "1")]);
    let asked = subscribe(ENDPOINTS, &["a", "b", "gone"]);
    stream
        .on_request(Request {
            known: endpoints,
            ..asked
        })
        .unwrap();
    let cluster = take(&mut stream, CLUSTER, &["b@2"], &[]);
    expect(&mut stream, ENDPOINTS, &["b@1"], &[]);
    stream.on_request(acknowledge(&cluster)).unwrap();
    nothing(&mut stream);
    stream.on_request(subscribe(LISTENER, &["*"])).unwrap();
    expect(&mut stream, LISTENER, &[], &[]);
    expect(&mut stream, CLUSTER, &[], &["gone"]);
    assert_eq!(stream.newly_serving(), None);
    expect(&mut stream, ENDPOINTS, &[], &["gone"]);
    assert_eq!(stream.newly_serving(), Some(5));
}

#[test]
fn a_reconnected_proxy_that_holds_everything_gets_nothing() {
    let mut stream = Stream::new(Mode::Delta);
    stream.on_snapshot(snapshot(5, &[("a", "1")], &[("l", "1")], &[("r", "1")]));
    for (type_url, names, held) in [
        (CLUSTER, &[][..], "a"),
        (ENDPOINTS, &["a"], "a"),
        (LISTENER, &[], "l"),
        (ROUTES, &["r"], "r"),
    ] {
        assert_eq!(
            stream.newly_serving(),
            None,
            "it has not said yet that it has the {held}"
        );
        let request = Request {
            known: known(&[(held, "1")]),
            ..subscribe(type_url, names)
        };
        stream.on_request(request).unwrap();
        nothing(&mut stream);
    }
    assert_eq!(stream.newly_serving(), Some(5));
}

#[test]
fn what_a_reconnected_proxy_may_still_use_stays_until_its_users_have_changed() {
    let mut stream = Stream::new(Mode::Delta);
    stream.on_snapshot(snapshot(5, &[("b", "1")], &[("l", "1")], &[("r", "2")]));
    let held = known(&[("a", "1"), ("b", "1")]);
    stream
        .on_request(Request {
            known: held,
            ..subscribe(CLUSTER, &[])
        })
        .unwrap();
    let held = known(&[("a", "1"), ("b", "1")]);
    stream
        .on_request(Request {
            known: held,
            ..subscribe(ENDPOINTS, &["a", "b"])
        })
        .unwrap();
    let held = known(&[("l", "1")]);
    stream
        .on_request(Request {
            known: held,
            ..subscribe(LISTENER, &[])
        })
        .unwrap();
    nothing(&mut stream);
    let held = known(&[("r", "1")]);
    stream
        .on_request(Request {
            known: held,
            ..subscribe(ROUTES, &["r"])
        })
        .unwrap();
    expect(&mut stream, ROUTES, &["r@2"], &[]);
    expect(&mut stream, CLUSTER, &[], &["a"]);
}

#[test]
fn what_is_asked_for_again_is_sent_again() {
    let mut stream = serving();
    stream.on_request(subscribe(ENDPOINTS, &["a"])).unwrap();
    let first = take(&mut stream, ENDPOINTS, &["a@1"], &[]);
    stream.on_request(subscribe(ENDPOINTS, &["a"])).unwrap();
    nothing(&mut stream);
    stream.on_request(acknowledge(&first)).unwrap();
    expect(&mut stream, ENDPOINTS, &["a@1"], &[]);
    nothing(&mut stream);
}

#[test]
fn what_is_not_there_is_said_to_be_removed_and_sent_once_it_is_there() {
    let mut stream = serving();
    stream.on_request(subscribe(ROUTES, &["later"])).unwrap();
    expect(&mut stream, ROUTES, &[], &["later"]);
    stream.on_snapshot(snapshot(
        2,
        &[("a", "1")],
        &[("l", "1")],
        &[("later", "1"), ("r", "1")],
    ));
    expect(&mut stream, ROUTES, &["later@1"], &[]);
}

#[test]
fn what_is_not_wanted_any_more_is_not_sent() {
    let mut stream = serving();
    stream
        .on_request(change(ROUTES, &[], &["r", "phantom"]))
        .unwrap();
    stream.on_snapshot(snapshot(2, &[("a", "1")], &[("l", "1")], &[("r", "2")]));
    nothing(&mut stream);
    stream.on_request(subscribe(ROUTES, &["r"])).unwrap();
    expect(&mut stream, ROUTES, &["r@2"], &[]);
}

#[test]
fn what_was_dropped_while_it_was_on_its_way_does_not_count_as_held() {
    let mut stream = serving();
    stream.on_snapshot(snapshot(2, &[("a", "1")], &[("l", "1")], &[("r", "2")]));
    let routes = take(&mut stream, ROUTES, &["r@2"], &[]);
    stream.on_request(change(ROUTES, &[], &["r"])).unwrap();
    stream.on_request(subscribe(ROUTES, &["r"])).unwrap();
    stream.on_request(acknowledge(&routes)).unwrap();
    expect(&mut stream, ROUTES, &["r@2"], &[]);
}

/// Required by the specification: the proxy does not know whether it is one of all.
#[test]
fn one_of_all_that_is_no_longer_asked_for_by_name_is_answered() {
    let mut stream = serving();
    stream.on_request(subscribe(CLUSTER, &["a", "no"])).unwrap();
    expect(&mut stream, CLUSTER, &["a@1"], &["no"]);
    expect(&mut stream, ENDPOINTS, &["a@1"], &[]);
    stream
        .on_request(change(CLUSTER, &[], &["a", "no"]))
        .unwrap();
    expect(&mut stream, CLUSTER, &["a@1"], &["no"]);
}

#[test]
fn without_the_wildcard_only_names_are_left() {
    let mut stream = serving();
    stream.on_request(change(CLUSTER, &["b"], &["*"])).unwrap();
    expect(&mut stream, CLUSTER, &[], &["b"]);
    stream.on_snapshot(snapshot(
        2,
        &[("a", "2"), ("b", "1"), ("c", "1")],
        &[("l", "1")],
        &[("r", "1")],
    ));
    expect(&mut stream, CLUSTER, &["b@1"], &[]);
}

#[test]
fn names_count_even_with_an_outdated_nonce() {
    let mut stream = serving();
    let request = Request {
        nonce: "outdated".to_owned(),
        ..change(ROUTES, &["other"], &["r"])
    };
    assert_eq!(stream.on_request(request), Ok(Heard::Nothing));
    expect(&mut stream, ROUTES, &[], &["other"]);
}

#[test]
fn who_asks_for_all_gets_an_answer_even_if_there_is_nothing() {
    let mut stream = Stream::new(Mode::Delta);
    stream.on_request(subscribe(CLUSTER, &[])).unwrap();
    nothing(&mut stream);
    stream.on_snapshot(snapshot(1, &[], &[], &[]));
    expect(&mut stream, CLUSTER, &[], &[]);
    nothing(&mut stream);
}

/// Endpoints do not wait for clusters, so they may be ahead of the routes that use these.
#[test]
fn endpoints_that_come_back_for_a_while_are_sent_even_if_they_are_gone_again() {
    let mut stream = Stream::new(Mode::Delta);
    stream.on_snapshot(snapshot(1, &[("a", "1")], &[], &[]));
    let held = known(&[("b", "1")]);
    stream
        .on_request(Request {
            known: held,
            ..subscribe(CLUSTER, &["*"])
        })
        .unwrap();
    stream.on_request(subscribe(ENDPOINTS, &["b"])).unwrap();
    let clusters = take(&mut stream, CLUSTER, &["a@1"], &[]);
    let endpoints = take(&mut stream, ENDPOINTS, &[], &["b"]);
    stream.on_snapshot(snapshot(
        2,
        &[("a", "1"), ("b", "1")],
        &[("l", "1")],
        &[("r", "1")],
    ));
    stream.on_request(acknowledge(&clusters)).unwrap();
    stream.on_snapshot(snapshot(3, &[("a", "2")], &[], &[]));
    stream.on_request(acknowledge(&endpoints)).unwrap();
    take(&mut stream, CLUSTER, &["a@2"], &[]);
    take(&mut stream, ENDPOINTS, &["b@1"], &[]);
}
