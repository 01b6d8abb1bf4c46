//! TLS listeners: TLS ends at the gateway, or at the backend.

use std::io::{Read, Write};

use super::{
    backends,
    client::{TlsStream, shake_hands},
    process::{Envoy, free_port},
    tcp::{gateway, member, route},
};
use crate::{certificates::Certificate, support::view};

fn echoes(mut stream: TlsStream) {
    let mut answer = [0; 5];
    stream.write_all(b"hello").unwrap();
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello");
}

#[test]
fn tls_ends_at_the_gateway_or_at_the_backend() {
    let (ours, theirs) = (
        Certificate::for_host("a.test"),
        Certificate::for_host("b.wild.test"),
    );
    let port = free_port();
    let listeners = format!(
        "{{port: {port}, protocol: TLS, hostname: a.test, tags: {{l: ends}}, tls: {{mode: TERMINATE, \
         certificates: [{{secret: a}}]}}}}, {{port: {port}, protocol: TLS, hostname: '*.wild.test', \
         tags: {{l: passes}}, tls: {{mode: PASSTHROUGH}}}}"
    );
    let yaml = gateway(&listeners)
        + &member("plain", backends::echo_bytes())
        + &member("encrypted", backends::echo_in_tls(&theirs))
        + &route("ends", "l: ends", "{destination: {kuma.io/service: plain}}")
        + &route(
            "passes",
            "l: passes",
            "{destination: {kuma.io/service: encrypted}}",
        )
        + &ours.secret("a");
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };

    let stream = shake_hands(envoy.connect(), "a.test", &["h2"], &ours).unwrap();
    assert_eq!(stream.conn.alpn_protocol(), None);
    echoes(stream);
    echoes(shake_hands(envoy.connect(), "b.wild.test", &[], &theirs).unwrap());
    assert!(shake_hands(envoy.connect(), "unknown.test", &[], &ours).is_err());
}
