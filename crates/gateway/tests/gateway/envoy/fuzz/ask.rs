//! Requests to a port, several on their way at once.

use super::servers::Servers;
use crate::{
    envoy::http::{self, Answer},
    reference::Request,
};

/// Connections, each with one request on its way: Envoy takes no more than two of one.
const AT_ONCE: usize = 16;

/// What a client sees, as far as the route decides it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) status: u16,
    /// The name of the route.
    pub(super) route: Option<String>,
    location: Option<String>,
    /// The line of the request that the backend got.
    received: Option<String>,
}

impl Seen {
    fn of(answer: &Answer, port: u16) -> Self {
        let redirect = (answer.status == 302).then(|| answer.redirected_to());
        let named = answer.header("x-route").or(redirect.flatten());
        let line = answer.body.lines().next();
        Self {
            status: answer.status,
            route: named.map(str::to_owned),
            // Redirects name the port, by which layouts differ.
            location: answer
                .header("location")
                .map(|location| location.replacen(&format!(":{port}"), "", 1)),
            received: line.filter(|_| answer.status == 200).map(str::to_owned),
        }
    }
}

/// What comes back for each request, given with its host.
pub(super) fn ask(servers: &Servers, port: u16, requests: &[(String, Request)]) -> Vec<Seen> {
    let mut seen = Vec::with_capacity(requests.len());
    let mut clients: Vec<_> = (0..AT_ONCE).map(|_| servers.client(port)).collect();
    for some in requests.chunks(AT_ONCE) {
        for (client, request) in clients.iter_mut().zip(some) {
            client.write(&head(request)).unwrap();
        }
        for (client, request) in clients.iter_mut().zip(some) {
            let answer = client.answer();
            let answer = answer.unwrap_or_else(|| panic!("no answer on {port} to {request:?}"));
            seen.push(Seen::of(&answer, port));
            // Envoy closes the connection with answers of its own to a path.
            if [307, 400].contains(&answer.status) {
                *client = servers.client(port);
            }
        }
    }
    seen
}

fn head((host, request): &(String, Request)) -> String {
    let headers = request.headers.iter();
    let headers: Vec<_> = headers.map(|(name, value)| (&**name, &**value)).collect();
    http::head(request.method, host, &request.target(), &headers)
}
