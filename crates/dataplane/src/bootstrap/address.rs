//! Where a data plane finds its control plane.

use std::net::IpAddr;

use http::uri::Authority;

/// Host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A DNS name, or an IP address without brackets.
    pub host: String,
    /// A TCP port.
    pub port: u16,
}

impl Address {
    /// Reads `HOST`, `HOST:PORT` or `[V6]:PORT`, as a `Host` header has it.
    pub fn parse(authority: &str, default_port: u16) -> Option<Self> {
        let parsed: Authority = authority.parse().ok()?;
        let host = parsed.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return None;
        }
        let port = match parsed.port_u16() {
            Some(port) => port,
            None if parsed.as_str() == parsed.host() => default_port,
            None => return None,
        };
        Some(Self {
            host: host.to_owned(),
            port,
        })
    }

    /// Whether the host is an IP address, so that nothing has to be resolved.
    pub fn is_ip(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_header_gives_host_and_port() {
        let cases = [
            ("zone.example:1234", Some(("zone.example", 1234, false))),
            ("zone.example", Some(("zone.example", 5678, false))),
            ("127.0.0.1:1", Some(("127.0.0.1", 1, true))),
            ("[::1]:1", Some(("::1", 1, true))),
            ("[::1]", Some(("::1", 5678, true))),
            ("", None),
            (":80", None),
            ("a b", None),
            ("a:99999", None),
            ("user@a", None),
        ];
        for (authority, expected) in cases {
            let parsed = Address::parse(authority, 5678);
            let seen = parsed
                .as_ref()
                .map(|address| (&*address.host, address.port, address.is_ip()));
            assert_eq!(seen, expected, "{authority:?}");
        }
    }
}
