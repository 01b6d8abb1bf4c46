//! A request as its sender gives it, and as routes see it.

use std::borrow::Cow;

use super::target::{Malformed, Target};
use crate::plan::port::Protocol;

/// A request whose way is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its `Host`, with or without port; may be empty where nothing is read as HTTP.
    pub host: String,
    /// Path and query, as in the request line.
    pub path: String,
    /// Its method.
    pub method: String,
    /// Names and values of its headers.
    pub headers: Vec<(String, String)>,
    /// The port that it comes to; nothing if the gateway's first that serves the host is meant.
    pub port: Option<u16>,
    /// What the client speaks; nothing if whatever the port speaks is meant.
    pub protocol: Option<Protocol>,
    /// The name by which the client asks for a host in TLS; nothing if it is that of the host.
    pub sni: Option<String>,
}

/// Why no route ever sees a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Its path.
    #[error("{0}")]
    Path(#[from] Malformed),
    /// A header with an underscore in its name.
    #[error("the name of header {0:?} has an underscore, which could pass for another header")]
    Underscore(String),
    /// `Host` is required.
    #[error("the request has no host")]
    NoHost,
}

/// A request after Envoy has checked and rewritten it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// As it came, in lower case.
    pub(super) host: String,
    pub(super) target: Target,
    pub(super) method: String,
    /// `http` or `https`, as the connection has it.
    pub(super) scheme: &'static str,
    headers: Vec<(String, String)>,
}

impl Seen {
    pub(super) fn of(request: &Request) -> Result<Self, Rejected> {
        if request.host.is_empty() {
            return Err(Rejected::NoHost);
        }
        if let Some((name, _)) = request.headers.iter().find(|(name, _)| name.contains('_')) {
            return Err(Rejected::Underscore(name.clone()));
        }
        Ok(Self {
            host: request.host.to_ascii_lowercase(),
            target: Target::read(&request.path)?,
            method: request.method.clone(),
            scheme: "http",
            headers: request.headers.clone(),
        })
    }

    /// The same request over such a connection.
    pub(super) fn over(&self, protocol: Protocol) -> Self {
        let scheme = match protocol.is_encrypted() {
            true => "https",
            false => "http",
        };
        Self {
            scheme,
            ..self.clone()
        }
    }

    /// The host without its port: listeners ignore the port.
    pub(super) fn bare_host(&self) -> &str {
        bare_host(&self.host)
    }

    /// The value of a header, those of several joined by commas as Envoy joins them.
    pub(super) fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        match name {
            ":method" => return Some(self.method.as_str().into()),
            ":path" => return Some(self.target.text().into()),
            ":authority" => return Some(self.host.as_str().into()),
            ":scheme" => return Some(self.scheme.into()),
            // Envoy replaces what the client says.
            name if name.eq_ignore_ascii_case("x-forwarded-proto") => {
                return Some(self.scheme.into());
            }
            name if name.eq_ignore_ascii_case("host") => return Some(self.host.as_str().into()),
            _ => {}
        }
        let same = self
            .headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let values: Vec<&str> = same.map(|(_, value)| value.trim()).collect();
        match values.as_slice() {
            [] => None,
            [only] => Some((*only).into()),
            several => Some(several.join(",").into()),
        }
    }
}

/// A host without its port.
pub(super) fn bare_host(host: &str) -> &str {
    match host.rfind(':') {
        Some(port) if host.rfind(']').is_none_or(|end| end < port) => &host[..port],
        _ => host,
    }
}
