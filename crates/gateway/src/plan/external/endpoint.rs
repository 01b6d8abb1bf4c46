//! One external service, and how it is reached.

use std::{fmt, net::IpAddr};

use portolan_model::tags::{PROTOCOL, SERVICE, Tags, ZONE};

use super::Tls;
use crate::{
    fault::Fault,
    plan::{entry::Author, spoken::Spoken},
};

/// One ExternalService: one endpoint of a service.
#[derive(Debug)]
pub struct External {
    /// The resource.
    pub author: Author,
    /// Its tags, the service among them.
    pub tags: Tags,
    /// Where it says that it is, as its author wrote it.
    pub address: Box<str>,
    /// How it is reached; nothing if something that it needs is broken.
    pub endpoint: Option<Endpoint>,
    /// What is broken.
    pub faults: Box<[Fault]>,
}

/// How an external service is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its host.
    pub host: Host,
    /// Its port, above 0.
    pub port: u16,
    /// TLS, if it speaks that.
    pub tls: Option<Tls>,
}

/// A host of the world outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// By its address.
    Ip(IpAddr),
    /// By its name, which proxies look up.
    Name(Box<str>),
}

impl Host {
    /// As proxies take it: IPv6 without brackets.
    pub fn text(&self) -> String {
        match self {
            Self::Ip(address) => address.to_string(),
            Self::Name(name) => name.to_string(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            host => write!(f, "{}:{}", host.text(), self.port),
        }
    }
}

impl External {
    /// What is spoken with it.
    pub fn spoken(&self) -> Spoken {
        let protocol = self.tags.get(PROTOCOL);
        Spoken::of(protocol.map_or("", String::as_str))
    }

    /// The zone that it is near to, if it says so.
    pub fn zone(&self) -> Option<&str> {
        self.tags.get(ZONE).map(String::as_str)
    }

    /// The service that it is an endpoint of.
    pub fn service(&self) -> &str {
        self.tags.get(SERVICE).map_or("", String::as_str)
    }
}
