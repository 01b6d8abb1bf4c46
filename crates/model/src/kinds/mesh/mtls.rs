//! What a Mesh says of mutual TLS, as values.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    certificate, json,
    proto::{
        mesh::{CertificateAuthorityBackend, Mesh, certificate_authority_backend::Mode},
        system::{DataSource, data_source},
        well_known::Struct,
    },
    validation::{Violations, sources},
};

/// How long the certificate of a proxy is valid where nothing else is said.
pub const CERTIFICATE_LIFETIME: Duration = days(1);
/// How long a builtin authority is valid where nothing else is said.
const AUTHORITY_LIFETIME: Duration = days(3650);
/// Shortest lifetime of a proxy's certificate: its successor has to reach the proxy in the last fifth.
const SHORTEST: Duration = Duration::from_secs(5);
/// Bits of the key of a builtin authority.
const RSA_BITS: [u32; 3] = [2048, 3072, 4096];
/// Units of lifetimes, in milliseconds; `ms` before the `s` that it ends with.
const UNITS: [(&str, u64); 7] = [
    ("ms", 1),
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
];

const fn days(count: u64) -> Duration {
    Duration::from_secs(count * 24 * 3600)
}

/// One authority of a mesh.
#[derive(Clone, Debug, PartialEq)]
pub struct Backend {
    /// Its name, by which the Mesh chooses the one that signs.
    pub name: String,
    /// Where its certificate and key come from.
    pub authority: Authority,
    /// How long the certificates are valid that it signs.
    pub certificate_lifetime: Duration,
    /// Whether members take connections without mutual TLS too.
    pub permissive: bool,
}

/// Where the certificate and the key of an authority come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Authority {
    /// The control plane makes them when the Mesh is written.
    Builtin {
        /// Size of its RSA key: 2048, 3072 or 4096.
        rsa_bits: u32,
        /// How long it is valid.
        lifetime: Duration,
    },
    /// Whoever wrote the Mesh has them.
    Provided {
        /// The certificate as PEM.
        cert: DataSource,
        /// The private key as PEM.
        key: DataSource,
    },
}

/// The Secrets, in the mesh, of a builtin authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretNames {
    /// Holds the certificate.
    pub cert: String,
    /// Holds the private key.
    pub key: String,
}

impl SecretNames {
    /// Those of a backend of a mesh; the names are Kuma's.
    pub fn of(mesh: &str, backend: &str) -> Self {
        Self {
            cert: format!("{mesh}.ca-builtin-cert-{backend}"),
            key: format!("{mesh}.ca-builtin-key-{backend}"),
        }
    }
}

impl Backend {
    /// Where the certificate and the key of this backend of a mesh are found.
    pub fn sources(&self, mesh: &str) -> (DataSource, DataSource) {
        let secret = |name: String| DataSource {
            r#type: Some(data_source::Type::Secret(name)),
        };
        match &self.authority {
            Authority::Builtin { .. } => {
                let names = SecretNames::of(mesh, &self.name);
                (secret(names.cert), secret(names.key))
            }
            Authority::Provided { cert, key } => (cert.clone(), key.clone()),
        }
    }
}

/// What a source holds; `secret` finds what Secrets of the mesh keep.
///
/// # Errors
/// Why there is nothing.
pub fn text(
    source: &DataSource,
    secret: impl Fn(&str) -> Option<Bytes>,
) -> Result<Bytes, SourceError> {
    match &source.r#type {
        Some(data_source::Type::Secret(name)) => {
            secret(name).ok_or_else(|| SourceError::NoSecret(name.clone()))
        }
        Some(data_source::Type::Inline(bytes)) => Ok(bytes.value.clone()),
        Some(data_source::Type::InlineString(text)) => Ok(text.clone().into()),
        Some(data_source::Type::File(_)) | None => Err(SourceError::Nothing),
    }
}

/// The Secret that a source names, if it names one.
pub fn secret_name(source: &DataSource) -> Option<&str> {
    match &source.r#type {
        Some(data_source::Type::Secret(name)) => Some(name),
        _ => None,
    }
}

/// Why a source holds nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The mesh has no Secret of this name.
    #[error("there is no Secret {0:?} in the mesh: create it first, or in the same apply")]
    NoSecret(String),
    /// It names nothing that can be read.
    #[error("has to name a Secret or to hold the PEM text itself")]
    Nothing,
}

/// The backend that signs, if the mesh has mutual TLS.
pub fn enabled(mesh: &Mesh) -> Option<&CertificateAuthorityBackend> {
    let mtls = mesh.mtls.as_ref()?;
    mtls.backends
        .iter()
        .find(|backend| !backend.name.is_empty() && backend.name == mtls.enabled_backend)
}

/// Reads a backend, whose place in the Mesh is `field`.
///
/// # Errors
/// All that is wrong with it.
pub fn read(backend: &CertificateAuthorityBackend, field: &str) -> Result<Backend, Violations> {
    let mut violations = Violations::default();
    let certificate_lifetime = certificate_lifetime(backend, field, &mut violations);
    let authority = match &*backend.r#type {
        "builtin" => builtin(backend.conf.as_ref(), field, &mut violations),
        "provided" => provided(backend.conf.as_ref(), field, &mut violations),
        _ => {
            let reason = "could not find installed plugin for this type: use builtin or provided";
            violations.add(format!("{field}.type"), reason);
            None
        }
    };
    match (authority, certificate_lifetime) {
        (Some(authority), Some(certificate_lifetime)) if violations.is_empty() => Ok(Backend {
            name: backend.name.clone(),
            authority,
            certificate_lifetime,
            permissive: backend.mode() == Mode::Permissive,
        }),
        _ => Err(violations),
    }
}

fn certificate_lifetime(
    backend: &CertificateAuthorityBackend,
    field: &str,
    violations: &mut Violations,
) -> Option<Duration> {
    let Some(certificate) = &backend.dp_cert else {
        return Some(CERTIFICATE_LIFETIME);
    };
    let text = certificate.rotation.as_ref().map(|rotation| &*rotation.expiration);
    let Some(lifetime) = lifetime(text.unwrap_or_default()) else {
        violations.add("mtls.dpcert.rotation.expiration", "has to be a valid format");
        return None;
    };
    if lifetime < SHORTEST {
        let field = format!("{field}.dpCert.rotation.expiration");
        violations.add(field, "has to be 5s or longer, for proxies to get the next one in time");
        return None;
    }
    Some(lifetime)
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BuiltinConf {
    ca_cert: Option<CaCert>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CaCert {
    // Kuma's message says the first, its documentation the second.
    #[serde(rename = "RSAbits", alias = "rsaBits")]
    rsa_bits: Option<u32>,
    expiration: Option<String>,
}

fn builtin(conf: Option<&Struct>, field: &str, violations: &mut Violations) -> Option<Authority> {
    let conf: BuiltinConf = config(conf, field, violations)?;
    let conf = conf.ca_cert.unwrap_or_default();
    let rsa_bits = conf.rsa_bits.unwrap_or(RSA_BITS[0]);
    if !RSA_BITS.contains(&rsa_bits) {
        let field = format!("{field}.conf.caCert.rsaBits");
        violations.add(field, "has to be 2048, 3072 or 4096");
    }
    let expiration = conf.expiration.filter(|text| !text.is_empty());
    let lifetime = match &expiration {
        None => Some(AUTHORITY_LIFETIME),
        Some(text) => lifetime(text).filter(|lifetime| *lifetime >= SHORTEST),
    };
    if lifetime.is_none() {
        let field = format!("{field}.conf.caCert.expiration");
        violations.add(field, "has to be a duration of 5s or longer, as in 10y");
    }
    let lifetime = lifetime?;
    Some(Authority::Builtin { rsa_bits, lifetime })
}

#[derive(Default, Deserialize)]
struct ProvidedConf {
    cert: Option<DataSource>,
    key: Option<DataSource>,
}

fn provided(conf: Option<&Struct>, field: &str, violations: &mut Violations) -> Option<Authority> {
    let conf: ProvidedConf = config(conf, field, violations)?;
    let mut checked = |name: &str, source: Option<DataSource>, check: fn(&[u8]) -> _| {
        let field = format!("{field}.conf.{name}");
        match &source {
            None => violations.add(field, "has to be defined"),
            Some(source) => sources::data_source(violations, field, source, check),
        }
        source
    };
    let cert = checked("cert", conf.cert, |text| {
        certificate::check_certificates(text).map_err(|error| error.to_string())
    });
    let key = checked("key", conf.key, |text| {
        certificate::check_key(text).map_err(|error| error.to_string())
    });
    let (cert, key) = (cert?, key?);
    Some(Authority::Provided { cert, key })
}

fn config<T: Default + DeserializeOwned>(
    conf: Option<&Struct>,
    field: &str,
    violations: &mut Violations,
) -> Option<T> {
    let Some(conf) = conf else {
        return Some(T::default());
    };
    let config = serde_json::to_value(conf).and_then(|mut value| {
        // All numbers of a `Struct` are floats.
        json::shorten_numbers(&mut value);
        serde_json::from_value(value)
    });
    config
        .map_err(|error| {
            let field = format!("{field}.conf");
            violations.add(field, format!("could not convert backend config: {error}"));
        })
        .ok()
}

/// A duration of one number and one unit, or 0.
fn lifetime(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (number, unit) = UNITS.iter().find_map(|(unit, millis)| {
        let number = text.strip_suffix(unit)?;
        Some((number, millis))
    })?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    // Longer than certificates can say is as long as they can.
    let number: u64 = is_number.then(|| number.parse().unwrap_or(u64::MAX))?;
    Some(Duration::from_millis(number.saturating_mul(*unit)).min(days(365 * 1000)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read_json(backend: &Value) -> Result<Backend, String> {
        let backend = serde_json::from_value(backend.clone()).unwrap();
        read(&backend, "b").map_err(|violations| violations.to_string())
    }

    #[test]
    fn lifetimes_have_one_unit() {
        for (text, seconds) in [
            ("0", Some(0)),
            ("1500ms", Some(1)),
            ("5s", Some(5)),
            ("2m", Some(120)),
            ("1d", Some(86_400)),
            ("1w", Some(604_800)),
            ("10y", Some(315_360_000)),
            ("99999999999999999999999y", Some(365_000 * 86_400)),
            ("", None),
            ("s", None),
            ("5", None),
            ("-5s", None),
            ("1h30m", None),
        ] {
            assert_eq!(lifetime(text).map(|found| found.as_secs()), seconds, "{text}");
        }
    }

    #[test]
    fn what_is_not_said_is_as_in_kuma() {
        let backend = read_json(&json!({ "name": "ca-1", "type": "builtin" })).unwrap();
        assert_eq!(backend.certificate_lifetime, CERTIFICATE_LIFETIME);
        let lifetime = AUTHORITY_LIFETIME;
        assert_eq!(backend.authority, Authority::Builtin { rsa_bits: 2048, lifetime });
        assert!(!backend.permissive);
    }

    #[test]
    fn both_spellings_of_the_size_of_the_key_are_read() {
        for field in ["RSAbits", "rsaBits"] {
            let conf = json!({ "caCert": { field: 4096, "expiration": "1y" } });
            let backend = json!({ "name": "a", "type": "builtin", "mode": "PERMISSIVE", "conf": conf });
            let backend = read_json(&backend).unwrap();
            let lifetime = days(365);
            assert_eq!(backend.authority, Authority::Builtin { rsa_bits: 4096, lifetime });
            assert!(backend.permissive);
        }
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_field() {
        let cases = [
            (json!({ "name": "a" }), "b.type: could not find"),
            (json!({ "name": "a", "type": "vault" }), "b.type: could not find"),
            (
                json!({ "name": "a", "type": "builtin", "conf": { "caCert": { "rsaBits": 1024 } } }),
                "b.conf.caCert.rsaBits: has to be 2048, 3072 or 4096",
            ),
            (
                json!({ "name": "a", "type": "builtin", "conf": { "caCert": { "expiration": "soon" } } }),
                "b.conf.caCert.expiration: has to be",
            ),
            (
                json!({ "name": "a", "type": "builtin", "conf": { "caCert": 7 } }),
                "b.conf: could not convert backend config",
            ),
            (
                json!({ "name": "a", "type": "builtin",
                        "dpCert": { "rotation": { "expiration": "1s" } } }),
                "b.dpCert.rotation.expiration: has to be 5s or longer",
            ),
            (json!({ "name": "a", "type": "provided" }), "b.conf.cert: has to be defined"),
            (
                json!({ "name": "a", "type": "provided", "conf": {
                    "cert": { "secret": "ca" }, "key": {} } }),
                "b.conf.key: data source cannot be empty",
            ),
            (
                json!({ "name": "a", "type": "provided", "conf": {
                    "cert": { "inlineString": "no PEM" }, "key": { "secret": "key" } } }),
                "b.conf.cert: has no certificate",
            ),
        ];
        for (backend, expected) in cases {
            let found = read_json(&backend).unwrap_err();
            assert!(found.contains(expected), "{backend}: {found}");
        }
    }
}
