//! Certificates of listeners: where they come from, and what becomes of them.

use std::{fmt, sync::Arc};

use portolan_model::certificate::{Bundle, KeyType, Pair};
use portolan_proto::system::{DataSource, data_source};

use crate::fault::Reason;

/// One certificate of a listener.
#[derive(Debug)]
pub struct Certificate {
    /// Path in the MeshGateway, as in `conf.listeners[0].tls.certificates[1]`.
    pub field: Box<str>,
    /// Where it comes from.
    pub source: Source,
}

/// Where a certificate comes from.
#[derive(Debug)]
pub enum Source {
    /// The Secret of this name in the gateway's mesh.
    Secret(Arc<str>),
    /// The MeshGateway itself.
    Inline(Arc<[Identity]>),
    /// Nowhere, for this reason.
    Nowhere(Reason),
}

/// A certificate with its key as the proxy gets it.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// Name by which the proxy asks for it, as in `cert.rsa:secret:NAME`.
    pub name: Arc<str>,
    /// The certificate, then those that vouch for it, as PEM.
    pub chain: String,
    /// The private key, as PEM.
    pub key: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads what stands at `field`. `name` tells it from all others that the gateway holds itself.
    pub(super) fn read(spec: &DataSource, field: String, name: &str) -> Self {
        let inline = |text: &[u8]| match identities(text, "inline", name) {
            Ok(identities) => Source::Inline(identities),
            Err(reason) => Source::Nowhere(reason),
        };
        let source = match &spec.r#type {
            Some(data_source::Type::Secret(name)) => Source::Secret(name.as_str().into()),
            Some(data_source::Type::Inline(bytes)) => inline(&bytes.value),
            Some(data_source::Type::InlineString(text)) => inline(text.as_bytes()),
            Some(data_source::Type::File(_)) => Source::Nowhere(Reason::CertificateFile),
            None => Source::Nowhere(Reason::NoCertificates),
        };
        Self {
            field: field.into(),
            source,
        }
    }
}

/// The certificates in what a Secret of this name holds.
///
/// # Errors
/// Why it cannot be used.
pub fn of_secret(name: &str, text: &[u8]) -> Result<Arc<[Identity]>, Reason> {
    identities(text, "secret", name)
}

fn identities(text: &[u8], category: &str, name: &str) -> Result<Arc<[Identity]>, Reason> {
    let bundle = Bundle::parse(text).map_err(|problem| Reason::Certificate(problem.to_string()))?;
    let pairs = bundle.pairs();
    let identity = |(position, pair): (usize, &Pair)| {
        let key_type = match pair.key_type() {
            KeyType::Rsa => "rsa",
            KeyType::Ecdsa => "ecdsa",
        };
        // Nearly always there is one of a type; others need names of their own.
        let earlier = pairs[..position]
            .iter()
            .filter(|other| other.key_type() == pair.key_type())
            .count();
        let suffix = match earlier {
            0 => String::new(),
            others => format!(":{}", others + 1),
        };
        Identity {
            name: format!("cert.{key_type}:{category}:{name}{suffix}").into(),
            chain: pair.chain_pem(),
            key: pair.key_pem(),
        }
    };
    Ok(pairs.iter().enumerate().map(identity).collect())
}
