//! The ports of a gateway: what its listeners become.
//!
//! ```text
//!   Port 8080 HTTP  ── Chain (every connection)     ── Listeners a.test, *.test, *
//!   Port 8443 HTTPS ─┬ Chain (SNI a.test, TLS ends) ── Listener a.test
//!                    └ Chain (SNI *.test, TLS ends) ── Listener *.test
//!   Port 9443 TLS   ── Chain (SNI b.test, TLS goes on to the backend) ── Listener b.test
//!   Port 9090 TCP   ── Chain (every connection)     ── its Listeners
//!   Port 8081 HTTP  ── Chain (members of any mesh)  ── crossMesh Listeners
//! ```

use std::{cmp::Reverse, fmt, sync::Arc};

use portolan_model::{ResourceKey, hostname::Hostname, tags::Tags};

use super::{certificate::Certificate, mtls::Mtls};
use crate::fault::{Fault, Reason};

/// One port of a gateway, with all its listeners.
#[derive(Debug)]
pub struct Port {
    /// The port.
    pub number: u16,
    /// What all its listeners speak.
    pub protocol: Protocol,
    /// Name of the Envoy listener, `GATEWAY:PROTOCOL:PORT`.
    pub name: Arc<str>,
    /// Most connections at a time, if limited.
    pub connection_limit: Option<u32>,
    /// Who takes its connections, the most specific hostname first.
    pub chains: Box<[Arc<Chain>]>,
}

/// What a listener speaks with its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// HTTP without TLS.
    Http,
    /// HTTP in TLS that ends here.
    Https,
    /// Any bytes in TLS, which ends here or goes on to the backend.
    Tls,
    /// Any bytes.
    Tcp,
}

impl Protocol {
    /// Whether `http` rules say what happens, and not `tcp` rules.
    pub fn carries_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }

    /// Whether clients begin with TLS, so that a connection tells by SNI whom it is for.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
            Self::Tls => "TLS",
            Self::Tcp => "TCP",
        })
    }
}

/// Who takes connections of a port: all of them, or those whose SNI is of one hostname.
#[derive(Debug)]
pub struct Chain {
    /// Name of its route table, if it carries HTTP: `GATEWAY:PROTOCOL:PORT:HOSTNAME`.
    pub name: Arc<str>,
    /// The SNI that it takes, unless a more specific chain takes it. Without TLS there is none, and this
    /// is [`Hostname::Any`].
    pub hostname: Hostname,
    /// What it does with TLS.
    pub tls: Tls,
    /// The listeners behind it, the most specific hostname first. With TLS it is one.
    pub listeners: Box<[Arc<Listener>]>,
}

impl Chain {
    /// Why members of other meshes cannot come in, if that is what it is for and its own mesh has no mutual
    /// TLS.
    pub(crate) fn without_mtls(&self, gateway: &ResourceKey, mtls: Option<&Mtls>) -> Option<Fault> {
        match &self.tls {
            Tls::Mutual(field) if mtls.is_none() => Some(Fault {
                resource: gateway.clone(),
                field: field.to_string(),
                reason: Reason::CrossMesh,
            }),
            _ => None,
        }
    }
}

/// What a chain does with TLS.
#[derive(Debug)]
pub enum Tls {
    /// There is none.
    None,
    /// It goes on to the backend; only SNI is read.
    Passthrough,
    /// It ends here, with one of these certificates; at least one.
    Terminate(Box<[Certificate]>),
    /// It ends here, and clients are members of some mesh: they show its certificate and get that of the
    /// gateway's own mesh. The field that says so.
    Mutual(Box<str>),
}

impl Tls {
    /// The certificates that it needs.
    pub fn certificates(&self) -> &[Certificate] {
        match self {
            Self::Terminate(certificates) => certificates,
            Self::None | Self::Passthrough | Self::Mutual(_) => &[],
        }
    }
}

/// One listener of a MeshGateway: a hostname on a port.
#[derive(Debug)]
pub struct Listener {
    /// The hosts that it serves.
    pub hostname: Hostname,
    /// The Dataplane's gateway tags, the MeshGateway's and its own; routes and policies choose by them.
    pub tags: Tags,
    /// Its port.
    pub port: u16,
}

/// Sorts exact hostnames before wildcards, longer wildcards before shorter, `*` last; then by name.
pub(super) fn specificity(hostname: &Hostname) -> (u8, Reverse<usize>, String) {
    let name = hostname.to_string();
    let rank = match hostname {
        Hostname::Exact(_) => return (0, Reverse(0), name),
        Hostname::Wildcard(_) => 1,
        Hostname::Any => 2,
    };
    (rank, Reverse(name.split('.').count()), name)
}
