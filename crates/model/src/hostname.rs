//! Hostnames of listeners and routes.

use std::{fmt, sync::Arc};

/// Longest hostname that DNS allows.
const MAX_LENGTH: usize = 253;
/// Longest label that DNS allows.
const MAX_LABEL: usize = 63;

/// The hosts that a listener or a route takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hostname {
    /// This host, in lower case.
    Exact(Arc<str>),
    /// Every host below this suffix, which is without `*.`; one or more labels below it.
    Wildcard(Arc<str>),
    /// Every host: `*`, or empty.
    Any,
}

/// Text that is no hostname.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a hostname: use a name, `*.` and a name, or `*`")]
pub struct NoHostname(pub String);

impl Hostname {
    /// Reads a hostname: labels of letters, digits and hyphens (an IP address is one too).
    ///
    /// # Errors
    /// [`NoHostname`] for anything else, as for a `*` that is not the whole first label.
    pub fn parse(text: &str) -> Result<Self, NoHostname> {
        if text.is_empty() || text == "*" {
            return Ok(Self::Any);
        }
        let lower = text.to_ascii_lowercase();
        let (name, wildcard) = match lower.strip_prefix("*.") {
            Some(suffix) => (suffix, true),
            None => (lower.as_str(), false),
        };
        if !is_name(name) {
            return Err(NoHostname(text.to_owned()));
        }
        Ok(if wildcard {
            Self::Wildcard(name.into())
        } else {
            Self::Exact(name.into())
        })
    }

    /// Whether every host of `other` is one of this.
    pub fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (Self::Exact(own), Self::Exact(other)) => own == other,
            (Self::Wildcard(own), Self::Exact(other)) => is_below(other, own),
            (Self::Wildcard(own), Self::Wildcard(other)) => own == other || is_below(other, own),
            (Self::Exact(_) | Self::Wildcard(_), _) => false,
        }
    }

    /// Whether a host of a request, without its port, is one of these.
    pub fn matches(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        match self {
            Self::Any => true,
            Self::Exact(own) => **own == *host,
            Self::Wildcard(own) => is_below(&host, own),
        }
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(name) => f.write_str(name),
            Self::Wildcard(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

fn is_below(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix)
        .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= MAX_LABEL
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= MAX_LENGTH && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Hostname {
        Hostname::parse(text).unwrap_or(Hostname::Any)
    }

    #[test]
    fn reads_what_is_a_hostname() {
        for text in [
            "*",
            "a",
            "foo.example.com",
            "*.example.com",
            "127.0.0.1",
            "a-b.c",
        ] {
            assert_eq!(
                Hostname::parse(text).map(|host| host.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in [
            "foo_bar!",
            "foo.*.com",
            "*foo.com",
            "*.",
            ".",
            "a..b",
            "-a.b",
            "a.b-",
        ] {
            assert!(Hostname::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn wildcards_contain_what_is_below_them() {
        let cases = [
            ("*", "*.a.com", true),
            ("*.a.com", "b.a.com", true),
            ("*.a.com", "c.b.a.com", true),
            ("*.a.com", "*.b.a.com", true),
            ("*.a.com", "a.com", false),
            ("*.a.com", "ba.com", false),
            ("*.b.a.com", "*.a.com", false),
            ("b.a.com", "*.a.com", false),
            ("a.com", "a.com", true),
        ];
        for (outer, inner, expected) in cases {
            assert_eq!(
                host(outer).contains(&host(inner)),
                expected,
                "{outer} {inner}"
            );
        }
        assert!(host("*.a.com").matches("X.A.com"));
    }
}
