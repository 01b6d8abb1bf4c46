//! A backend that answers every request with its name, and a client that asks.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

/// Starts a backend; it runs until the test's process ends.
pub(crate) fn start(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || answer(connection, name));
        }
    });
    address
}

fn answer(mut connection: TcpStream, name: &str) {
    let Ok(reading) = connection.try_clone() else {
        return;
    };
    // Requests have no body: one ends with each empty line.
    for line in BufReader::new(reading).lines().map_while(Result::ok) {
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}",
            name.len()
        );
        if line.is_empty() && connection.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Asks once. Gives status and body; `None` if nobody listens.
pub(crate) fn ask(port: u16) -> Option<(u16, String)> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).ok()?;
    connection
        .set_read_timeout(Some(Duration::from_secs(5)))
        .ok()?;
    connection
        .write_all(b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
        .ok()?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}
