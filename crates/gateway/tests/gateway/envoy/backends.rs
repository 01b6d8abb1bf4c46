//! Backends on free ports of loopback, each in threads of its own.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    thread,
};

use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::PrivatePkcs8KeyDer,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::{client::provider, grpc, http};
use crate::certificates::Certificate;

/// Answers each request with its head.
pub(super) fn echo_http() -> u16 {
    named_http("echo")
}

/// Answers each request with its head, and with this name in `x-backend`.
pub(super) fn named_http(name: &'static str) -> u16 {
    serve(move |stream| http::echo(name, stream))
}

/// Tells the first line of each request that comes.
pub(super) fn records() -> (u16, Receiver<String>) {
    let (sender, receiver) = mpsc::channel();
    let port = serve(move |stream| {
        http::answer_each(stream, |head| {
            // Whoever asked may have seen enough.
            let _ = sender.send(head[0].clone());
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()
        });
    });
    (port, receiver)
}

/// Answers each request as this says, given its head; where it says nothing, never.
pub(super) fn answering(
    answer: impl Fn(&[String]) -> Option<String> + Clone + Send + 'static,
) -> u16 {
    serve(move |stream| {
        http::answer_each(stream, |head| match answer(head) {
            Some(answer) => answer,
            None => loop {
                thread::park();
            },
        });
    })
}

/// Takes one request for each connection and tells the whole of it.
pub(super) fn records_bodies() -> (u16, Receiver<String>) {
    let (sender, receiver) = mpsc::channel();
    let port = serve(move |mut stream| {
        let mut all = Vec::new();
        let mut buffer = [0; 4096];
        // The end of JSON, or of a chunk with it.
        while !all.ends_with(b"]") && !all.ends_with(b"0\r\n\r\n") {
            let Ok(length @ 1..) = stream.read(&mut buffer) else {
                return;
            };
            all.extend_from_slice(&buffer[..length]);
        }
        let _ = stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n");
        let _ = sender.send(String::from_utf8_lossy(&all).into_owned());
    });
    (port, receiver)
}

/// Answers each call of gRPC with the status that `next` says.
pub(super) fn of_grpc(next: impl Fn() -> u8 + Clone + Send + 'static) -> u16 {
    serve(move |stream| grpc::answer_each(stream, &next))
}

/// Gives back every byte.
pub(super) fn echo_bytes() -> u16 {
    serve(echo)
}

/// Gives back every byte, in TLS with this certificate.
pub(super) fn echo_in_tls(certificate: &Certificate) -> u16 {
    let config = tls(certificate, WebPkiClientVerifier::no_client_auth());
    serve(move |stream| {
        let connection = ServerConnection::new(config.clone()).unwrap();
        echo(StreamOwned::new(connection, stream));
    })
}

/// Answers each request with its head, in TLS with this certificate, if the client shows the other one. In
/// `x-backend` stands the name that the client asked for.
pub(super) fn http_in_tls(certificate: &Certificate, of_client: &Certificate) -> u16 {
    let mut roots = RootCertStore::empty();
    roots.add(of_client.der.clone().into()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider());
    let config = tls(certificate, verifier.build().unwrap());
    serve(move |mut stream| {
        let mut connection = ServerConnection::new(config.clone()).unwrap();
        while connection.is_handshaking() {
            if connection.complete_io(&mut stream).is_err() {
                return;
            }
        }
        let asked = connection.server_name().unwrap_or("nobody").to_owned();
        http::echo(&asked, StreamOwned::new(connection, stream));
    })
}

fn tls(certificate: &Certificate, clients: Arc<dyn ClientCertVerifier>) -> Arc<ServerConfig> {
    let key = PrivatePkcs8KeyDer::from(certificate.key.clone());
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate.der.clone().into()], key.into())
        .unwrap();
    Arc::new(config)
}

/// Says one word before the client says anything, and closes.
pub(super) fn says(word: &'static str) -> u16 {
    serve(move |mut stream| {
        let _ = stream.write_all(word.as_bytes());
    })
}

fn serve(with: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let with = with.clone();
            thread::spawn(move || with(stream.unwrap()));
        }
    });
    port
}

fn echo(mut stream: impl Read + Write) {
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}
