//! What is spoken with the instances of a service.

/// A protocol, as far as proxies tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// Any bytes.
    Tcp,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, gRPC in it or not.
    Http2,
}

impl Spoken {
    /// By a value of `kuma.io/protocol`, whose capitals do not matter; one that is not known is bytes.
    pub fn of(protocol: &str) -> Self {
        match &*protocol.to_ascii_lowercase() {
            "http" => Self::Http1,
            "http2" | "grpc" => Self::Http2,
            _ => Self::Tcp,
        }
    }

    /// What all of these speak; bytes if they differ, or if there is nobody to ask.
    pub fn common(mut all: impl Iterator<Item = Self>) -> Self {
        match all.next() {
            Some(first) if all.all(|other| other == first) => first,
            _ => Self::Tcp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_agree_speak_it_and_others_exchange_bytes() {
        let common =
            |protocols: &[&str]| Spoken::common(protocols.iter().map(|one| Spoken::of(one)));
        for (protocols, expected) in [
            (vec!["http", "http"], Spoken::Http1),
            (vec!["http2", "grpc"], Spoken::Http2),
            (vec!["HTTP2", "gRPC"], Spoken::Http2),
            (vec!["Http", "http"], Spoken::Http1),
            (vec!["http", "http2"], Spoken::Tcp),
            (vec!["http", "tcp"], Spoken::Tcp),
            (vec!["kafka"], Spoken::Tcp),
            (vec!["http", ""], Spoken::Tcp),
            (vec![], Spoken::Tcp),
        ] {
            assert_eq!(common(&protocols), expected, "{protocols:?}");
        }
    }
}
