//! Where a connection comes in: its port, and on it the chain that its SNI chooses.

use std::net::IpAddr;

use super::{
    answer::{ListenerTaken, Outcome, TlsTaken},
    request::{Request, bare_host},
    words,
};
use crate::{
    chart::Passage,
    plan::port::{Protocol, Tls},
};

/// Most listeners that are listed where none takes the host.
const MOST_LISTENERS: usize = 20;

/// The chain that takes the connection, among those of its port, and why.
pub(super) struct Entrance<'a> {
    pub(super) passage: &'a Passage,
    port: &'a [Passage],
    chosen: String,
}

/// Finds the port and the chain.
///
/// # Errors
/// What the client gets if there is none.
pub(super) fn choose<'a>(
    passages: &'a [Passage],
    request: &Request,
) -> Result<Entrance<'a>, Outcome> {
    let mut ports: Vec<&[Passage]> = passages
        .chunk_by(|left, right| left.port.number == right.port.number)
        .collect();
    if let Some(number) = request.port {
        ports.retain(|port| port[0].port.number == number);
        let Some(port) = ports.first() else {
            return Err(no_port(passages, number));
        };
        return on_port(port, request);
    }
    ports.retain(|port| may_be_meant(port[0].port.protocol, request.protocol));
    // Who does not say so means no port on which any bytes go.
    if request.protocol.is_none() && ports.iter().any(|port| speaks(port) != Protocol::Tcp) {
        ports.retain(|port| speaks(port) != Protocol::Tcp);
    }
    ports.sort_by_key(|port| (!speaks(port).carries_http(), port[0].port.number));
    let chosen = match ports.as_slice() {
        [_] if request.protocol.is_none() => "the gateway's only port",
        [_] => "the only port for that",
        _ => "the first port with a listener that takes the host",
    };
    let mut found = ports
        .iter()
        .filter_map(|port| Some((*port, takes(port, request)?)));
    match found.next() {
        Some((port, passage)) => Ok(Entrance {
            passage,
            port,
            chosen: chosen.to_owned(),
        }),
        None => Err(no_listener(&ports, request)),
    }
}

/// Whether a client that wants to speak so may mean such a port.
fn may_be_meant(port: Protocol, wanted: Option<Protocol>) -> bool {
    match wanted {
        None => true,
        // TLS that goes on to the backend has HTTPS inside more often than not.
        Some(Protocol::Https) => port.is_encrypted(),
        Some(wanted) => wanted == port,
    }
}

fn speaks(port: &[Passage]) -> Protocol {
    port[0].port.protocol
}

fn on_port<'a>(port: &'a [Passage], request: &Request) -> Result<Entrance<'a>, Outcome> {
    let (number, protocol) = (port[0].port.number, speaks(port));
    match request.protocol {
        Some(wanted) if protocol.is_encrypted() && !wanted.is_encrypted() => {
            return Err(Outcome::nothing(format!(
                "port {number} speaks {protocol}: a connection that does not begin with TLS is closed"
            )));
        }
        Some(wanted) if protocol == Protocol::Http && wanted.is_encrypted() => {
            return Err(Outcome::nothing(format!(
                "port {number} speaks HTTP without TLS: the client's handshake fails"
            )));
        }
        _ => {}
    }
    match chain(port, request) {
        Some(passage) => Ok(Entrance {
            passage,
            port,
            chosen: format!("port {number} was asked for"),
        }),
        None => Err(Outcome::nothing(format!(
            "no listener of port {number} takes {}: the connection is closed",
            named(request)
        ))),
    }
}

/// The chain of a port that takes the connection.
fn chain<'a>(port: &'a [Passage], request: &Request) -> Option<&'a Passage> {
    if !speaks(port).is_encrypted() {
        return port.first();
    }
    // A client that names no host is taken only by a chain for all of them.
    let sni = sni(request).unwrap_or_default();
    port.iter()
        .find(|passage| passage.chain.hostname.matches(&sni))
}

/// The chain of a port that takes the connection and serves the host.
fn takes<'a>(port: &'a [Passage], request: &Request) -> Option<&'a Passage> {
    let passage = chain(port, request)?;
    let serves = speaks(port) != Protocol::Http || {
        let host = bare_host(&request.host);
        passage
            .hosts()
            .any(|(candidate, _)| candidate.hostname.matches(host))
    };
    serves.then_some(passage)
}

/// The name by which a client asks for a host in TLS: the host itself unless it says otherwise. An address
/// is no name.
fn sni(request: &Request) -> Option<String> {
    let host = bare_host(&request.host);
    let name = request.sni.as_deref().unwrap_or(host).to_ascii_lowercase();
    let address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    (!name.is_empty() && !address).then_some(name)
}

fn named(request: &Request) -> String {
    match sni(request) {
        Some(name) => format!("SNI {name}"),
        None => "connections without SNI".to_owned(),
    }
}

fn no_port(passages: &[Passage], number: u16) -> Outcome {
    let mut ports: Vec<_> = passages
        .iter()
        .map(|passage| format!("{} {}", passage.port.number, passage.port.protocol))
        .collect();
    ports.dedup();
    let ports = match ports.as_slice() {
        [] => "none".to_owned(),
        ports => ports.join(", "),
    };
    Outcome::nothing(format!(
        "the gateway has no listener on port {number}, it has {ports}; nobody answers there"
    ))
}

fn no_listener(ports: &[&[Passage]], request: &Request) -> Outcome {
    if ports.is_empty() {
        let what = match request.protocol {
            None => "the gateway has no listener; nobody answers".to_owned(),
            Some(wanted) => format!("the gateway has no {wanted} listener; nobody answers"),
        };
        return Outcome::nothing(what);
    }
    let passages = ports.iter().flat_map(|port| port.iter());
    let listeners = passages.flat_map(|passage| passage.chain.listeners.iter());
    let listeners: Vec<_> = listeners
        .map(|listener| format!("{}:{}", listener.hostname, listener.port))
        .take(MOST_LISTENERS)
        .collect();
    let there = format!("there are {}", listeners.join(", "));
    if ports.iter().any(|port| speaks(port) == Protocol::Http) {
        let host = bare_host(&request.host);
        let what = format!("no listener takes host {host}, {there}; Envoy's own 404");
        return Outcome::status(404, what);
    }
    let named = named(request);
    Outcome::nothing(format!(
        "no listener takes {named}, {there}; the connection is closed"
    ))
}

impl Entrance<'_> {
    /// The listener of this hostname, in the words of an answer.
    pub(super) fn told(&self, hostname: String, request: &Request) -> ListenerTaken {
        let Passage { port, chain, .. } = self.passage;
        let sni = port.protocol.is_encrypted().then(|| sni(request)).flatten();
        let mode = match chain.tls {
            Tls::None => None,
            Tls::Passthrough => Some("PASSTHROUGH"),
            Tls::Terminate(_) => Some("TERMINATE"),
            Tls::Mutual(_) => Some("MUTUAL"),
        };
        let certificates = chain.tls.certificates().iter();
        ListenerTaken {
            name: port.name.to_string(),
            port: port.number,
            protocol: port.protocol.to_string(),
            hostname,
            chosen: self.chosen.clone(),
            sni,
            tls: mode.map(|mode| TlsTaken {
                mode: mode.to_owned(),
                certificates: certificates.map(words::certificate).collect(),
            }),
            policies: Vec::new(),
        }
    }

    /// What the client gets if the connection is closed as soon as it comes.
    pub(super) fn closed(&self) -> Option<Outcome> {
        if !self.passage.closes() {
            return None;
        }
        let why = if self.passage.closed.is_empty() {
            "no MeshGatewayRoute with tcp rules belongs to the listener".to_owned()
        } else {
            let faults = self.passage.closed.iter();
            let faults: Vec<_> = faults
                .map(|fault| format!("{}: {}", fault.field, fault.reason))
                .collect();
            format!("TLS cannot end here: {}", faults.join("; "))
        };
        // A port all of whose chains would close is not opened.
        let what = if self.port.iter().all(Passage::closes) {
            let number = self.passage.port.number;
            format!("nothing listens on port {number}: {why}")
        } else {
            format!("the connection is closed: {why}")
        };
        Some(Outcome::nothing(what))
    }
}
