//! A proxy that refuses goes on with what it had, and with everything else.

use super::*;

#[test]
fn what_was_refused_is_not_sent_again_until_it_changes() {
    let mut stream = serving();
    stream.on_snapshot(snapshot(2, &[("a", "1")], &[("l", "bad")], &[("r", "1")]));
    let response = take(&mut stream, LISTENER, &["l@bad"], &[]);
    let refusal = Refusal {
        type_url: LISTENER.to_owned(),
        message: "no".to_owned(),
        watermark: 2,
    };
    assert_eq!(
        stream.on_request(refuse(&response, "no")),
        Ok(Heard::Refused(refusal))
    );
    nothing(&mut stream);
    assert_eq!(stream.newly_serving(), None);
    stream.on_snapshot(snapshot(3, &[("a", "1")], &[("l", "bad")], &[("r", "2")]));
    expect(&mut stream, ROUTES, &["r@2"], &[]);
    assert_eq!(
        stream.newly_serving(),
        None,
        "the refusal is still in force"
    );
    stream.on_snapshot(snapshot(4, &[("a", "1")], &[("l", "2")], &[("r", "2")]));
    expect(&mut stream, LISTENER, &["l@2"], &[]);
    assert_eq!(stream.newly_serving(), Some(4));
}

#[test]
fn going_back_to_the_last_good_version_needs_no_response() {
    let mut stream = serving();
    stream.on_snapshot(snapshot(2, &[("a", "1")], &[("l", "1")], &[("r", "bad")]));
    let response = take(&mut stream, ROUTES, &["r@bad"], &[]);
    stream.on_request(refuse(&response, "no")).unwrap();
    stream.on_snapshot(snapshot(3, &[("a", "1")], &[("l", "1")], &[("r", "1")]));
    nothing(&mut stream);
    assert_eq!(stream.newly_serving(), Some(3));
}

#[test]
fn what_the_last_good_routes_use_stays() {
    let mut stream = serving();
    stream.on_snapshot(snapshot(2, &[("b", "1")], &[("l", "1")], &[("r", "bad")]));
    expect(&mut stream, CLUSTER, &["b@1"], &[]);
    let response = take(&mut stream, ROUTES, &["r@bad"], &[]);
    stream.on_request(refuse(&response, "no")).unwrap();
    nothing(&mut stream);
    stream.on_snapshot(snapshot(3, &[("b", "1")], &[("l", "1")], &[("r", "2")]));
    expect(&mut stream, ROUTES, &["r@2"], &[]);
    expect(&mut stream, CLUSTER, &[], &["a"]);
}

#[test]
fn the_bad_one_of_several_is_found_by_its_name() {
    let mut stream = serving();
    let listeners = [("bad", "1"), ("l", "2"), ("m", "1")];
    stream.on_snapshot(snapshot(2, &[("a", "1")], &listeners, &[("r", "1")]));
    let all = take(&mut stream, LISTENER, &["bad@1", "l@2", "m@1"], &[]);
    stream
        .on_request(refuse(&all, "Error adding/updating listener(s) bad: no"))
        .unwrap();
    expect(&mut stream, LISTENER, &["l@2", "m@1"], &[]);
    let bad = take(&mut stream, LISTENER, &["bad@1"], &[]);
    stream
        .on_request(refuse(&bad, "Error adding/updating listener(s) bad: no"))
        .unwrap();
    nothing(&mut stream);
    assert_eq!(stream.newly_serving(), None);
}

#[test]
fn the_bad_one_of_several_is_found_without_its_name() {
    let mut stream = serving();
    let listeners = ["i", "j", "k", "m"].map(|name| (name, "1"));
    stream.on_snapshot(snapshot(2, &[("a", "1")], &listeners, &[("r", "1")]));
    let mut taken = Vec::new();
    while let Some(response) = stream.next_response() {
        assert_eq!(response.type_url, LISTENER);
        let brought = brought(&response);
        if brought.contains(&"k@1".to_owned()) {
            stream.on_request(refuse(&response, "no")).unwrap();
        } else {
            taken.extend(brought);
            stream.on_request(acknowledge(&response)).unwrap();
        }
    }
    assert_eq!(taken, ["i@1", "j@1", "m@1"]);
}

#[test]
fn a_whole_response_holds_the_last_good_version_of_what_was_refused() {
    let mut stream = Stream::new(Mode::StateOfTheWorld);
    stream.on_snapshot(snapshot(1, &[("a", "1"), ("b", "1")], &[], &[]));
    stream.on_request(exactly(CLUSTER, &[], "")).unwrap();
    let first = take(&mut stream, CLUSTER, &["a@1", "b@1"], &[]);
    stream
        .on_request(exactly(CLUSTER, &[], &first.nonce))
        .unwrap();
    stream.on_snapshot(snapshot(2, &[("a", "bad"), ("b", "1")], &[], &[]));
    let second = take(&mut stream, CLUSTER, &["a@bad", "b@1"], &[]);
    let refusal = Request {
        error: Some("no".to_owned()),
        ..exactly(CLUSTER, &[], &second.nonce)
    };
    stream.on_request(refusal).unwrap();
    nothing(&mut stream);
    stream.on_snapshot(snapshot(
        3,
        &[("a", "bad"), ("b", "2"), ("c", "1")],
        &[],
        &[],
    ));
    take(&mut stream, CLUSTER, &["a@1", "b@2", "c@1"], &[]);
}

#[test]
fn who_asks_again_for_what_it_refused_gets_the_last_good_one() {
    let mut stream = serving();
    stream.on_snapshot(snapshot(2, &[("a", "1")], &[("l", "1")], &[("r", "bad")]));
    let response = take(&mut stream, ROUTES, &["r@bad"], &[]);
    stream.on_request(refuse(&response, "no")).unwrap();
    stream.on_request(subscribe(ROUTES, &["r"])).unwrap();
    expect(&mut stream, ROUTES, &["r@1"], &[]);
    nothing(&mut stream);
    assert_eq!(
        stream.newly_serving(),
        None,
        "the refusal is still in force"
    );
}
