//! What an ExternalService says, before it is known what its Secrets hold.

use portolan_model::{
    Resource, ResourceKey,
    tags::{SERVICE, Tags},
};
use portolan_proto::mesh;

use super::{Endpoint, External, Host, material::Materials, tls};
use crate::{
    fault::{Fault, Reason},
    plan::entry::Author,
};

/// What the resource says, with Secrets by name.
#[derive(Clone, Debug)]
pub(super) struct Described {
    key: ResourceKey,
    author: Author,
    tags: Tags,
    address: Box<str>,
    tls: Option<tls::Described>,
}

impl Described {
    /// Reads a resource of kind ExternalService.
    pub(super) fn read(resource: &Resource) -> Option<Self> {
        // Stores hold only specs that are messages of their kind.
        let spec: mesh::ExternalService = resource.spec_as().ok()?;
        let networking = spec.networking.unwrap_or_default();
        Some(Self {
            key: resource.key.clone(),
            author: Author::new(resource),
            tags: spec.tags,
            address: networking.address.into(),
            tls: networking.tls.and_then(tls::Described::read),
        })
    }

    /// The service that it is an endpoint of.
    pub(super) fn service(&self) -> &str {
        self.tags.get(SERVICE).map_or("", String::as_str)
    }

    /// Whether something of it comes from the Secret of this name.
    pub(super) fn names_secret(&self, name: &str) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.names_secret(name))
    }

    /// With what the Secrets hold now.
    pub(super) fn resolve(&self, secrets: &Materials) -> External {
        let (endpoint, broken) = match self.endpoint(secrets) {
            Ok(endpoint) => (Some(endpoint), Vec::new()),
            Err(broken) => (None, broken),
        };
        let faults = broken.into_iter().map(|(field, reason)| Fault {
            resource: self.key.clone(),
            field,
            reason,
        });
        External {
            author: self.author.clone(),
            tags: self.tags.clone(),
            address: self.address.clone(),
            endpoint,
            faults: faults.collect(),
        }
    }

    fn endpoint(&self, secrets: &Materials) -> Result<Endpoint, Vec<(String, Reason)>> {
        let (host, port) = split(&self.address).ok_or_else(|| {
            let reason = Reason::HostAndPort(self.address.to_string());
            vec![("networking.address".to_owned(), reason)]
        })?;
        let tls = self
            .tls
            .as_ref()
            .map(|tls| tls.resolve(&self.key.name, &host, secrets));
        let tls = tls.transpose().map_err(|broken| {
            let broken = broken.into_iter();
            let named = broken.map(|(field, reason)| (format!("networking.tls.{field}"), reason));
            named.collect::<Vec<_>>()
        })?;
        Ok(Endpoint { host, port, tls })
    }
}

/// Host and port of `HOST:PORT`, where IPv6 addresses stand in brackets.
fn split(address: &str) -> Option<(Host, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host = match bare.unwrap_or(host).parse() {
        Ok(address) => Host::Ip(address),
        Err(_) => Host::Name(host.into()),
    };
    let is_name = |name: &str| {
        let mut bytes = name.bytes();
        !name.is_empty() && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    match &host {
        Host::Name(name) if !is_name(name) => None,
        Host::Ip(_) | Host::Name(_) => Some((host, port)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let named = |name: &str, port| Some((Host::Name(name.into()), port));
        let v4 = Host::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let v6 = Host::Ip(IpAddr::V6(Ipv6Addr::LOCALHOST));
        for (text, expected) in [
            ("127.0.0.1:80", Some((v4, 80))),
            ("[::1]:65535", Some((v6, 65535))),
            ("a.example.com:443", named("a.example.com", 443)),
            ("under_score:1", named("under_score", 1)),
            ("a.example.com", None),
            ("a.example.com:0", None),
            ("a.example.com:65536", None),
            ("a.example.com:http", None),
            ("http://a.example.com:80", None),
            (":80", None),
            ("[a]:80", None),
            ("", None),
        ] {
            assert_eq!(split(text), expected, "{text}");
        }
    }
}
