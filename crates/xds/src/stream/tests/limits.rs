//! No proxy makes us keep any amount of memory.

use super::*;

#[test]
fn a_request_without_a_type_or_with_an_endless_one_ends_the_stream() {
    let mut stream = serving();
    assert_eq!(stream.on_request(subscribe("", &[])), Err(Abuse::TypeUrl));
    let long = "x".repeat(MAX_TYPE_URL + 1);
    assert_eq!(
        stream.on_request(subscribe(&long, &[])),
        Err(Abuse::TypeUrl)
    );
}

#[test]
fn too_many_types_end_the_stream() {
    let mut stream = Stream::new(Mode::Delta);
    for index in 0..MAX_TYPES {
        stream
            .on_request(subscribe(&format!("example/{index}"), &["x"]))
            .unwrap();
    }
    assert_eq!(
        stream.on_request(subscribe("example/more", &[])),
        Err(Abuse::TooManyTypes)
    );
}

#[test]
fn too_many_names_end_the_stream() {
    let mut stream = Stream::new(Mode::Delta);
    let long = "x".repeat(MAX_NAMES / 2);
    stream.on_request(subscribe(ROUTES, &[&long])).unwrap();
    stream.on_request(subscribe(ROUTES, &[&long])).unwrap();
    let more = format!("{long}y");
    assert_eq!(
        stream.on_request(subscribe(ROUTES, &[&more])),
        Err(Abuse::TooManyNames)
    );
}

#[test]
fn an_endless_reason_is_cut_at_a_character() {
    let reason = "é".repeat(MAX_REASON);
    let cut = shortened(format!("x{reason}"));
    assert!(cut.len() <= MAX_REASON && cut.len() >= MAX_REASON - 1);
    assert_eq!(shortened("short".to_owned()), "short");
}

#[test]
fn answers_to_nothing_are_nothing() {
    let mut stream = serving();
    let stray = Request {
        nonce: "77".to_owned(),
        ..subscribe(ROUTES, &[])
    };
    assert_eq!(stream.on_request(stray.clone()), Ok(Heard::Nothing));
    let stray = Request {
        error: Some("no".to_owned()),
        ..stray
    };
    assert_eq!(stream.on_request(stray), Ok(Heard::Nothing));
    nothing(&mut stream);
}
