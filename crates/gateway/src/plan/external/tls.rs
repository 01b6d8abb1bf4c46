//! TLS with an external service.

use portolan_model::certificate::{self, BundleError, Pair};
use portolan_proto::mesh::external_service::networking::Tls as Spec;

use super::{
    Host,
    material::{Materials, Source},
};
use crate::{fault::Reason, plan::certificate::Identity};

/// How a TLS connection is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The name that is asked for; an address cannot be asked for by name.
    pub sni: Option<Box<str>>,
    /// How the service's certificate is checked; not at all without authorities.
    pub trust: Option<Trust>,
    /// What is shown to a service that asks for a certificate.
    pub client: Option<Identity>,
    /// Whether the service may begin a new handshake on an open connection.
    pub allow_renegotiation: bool,
}

/// Whose certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Those of the authorities, as PEM.
    pub authorities: String,
    /// The host name or IP address that the certificate must be for; nothing if it may be for any.
    pub name: Option<Box<str>>,
}

/// What the resource says, with Secrets by name.
#[derive(Clone, Debug)]
pub(super) struct Described {
    server_name: Option<Box<str>>,
    authorities: Option<Source>,
    certificate: Option<Source>,
    key: Option<Source>,
    allow_renegotiation: bool,
    any_name: bool,
}

/// A field below `networking.tls`, and what is wrong with it.
type Broken = (&'static str, Reason);

impl Described {
    /// Nothing if the service speaks no TLS.
    pub(super) fn read(spec: Spec) -> Option<Self> {
        let is_true = |value: Option<portolan_proto::well_known::BoolValue>| {
            value.is_some_and(|value| value.value)
        };
        spec.enabled.then(|| Self {
            server_name: spec
                .server_name
                .filter(|name| !name.value.is_empty())
                .map(|name| name.value.into()),
            authorities: spec.ca_cert.map(Source::read),
            certificate: spec.client_cert.map(Source::read),
            key: spec.client_key.map(Source::read),
            allow_renegotiation: is_true(spec.allow_renegotiation),
            any_name: is_true(spec.skip_hostname_verification),
        })
    }

    /// Whether something of it comes from the Secret of this name.
    pub(super) fn names_secret(&self, name: &str) -> bool {
        let sources = [&self.authorities, &self.certificate, &self.key];
        let mut sources = sources.into_iter().flatten();
        sources.any(|source| source.is_secret(name))
    }

    /// The TLS of the external service `service` at `host`, with what the Secrets hold now; or all fields
    /// that make it impossible.
    pub(super) fn resolve(
        &self,
        service: &str,
        host: &Host,
        secrets: &Materials,
    ) -> Result<Tls, Vec<Broken>> {
        let sni = match (&self.server_name, host) {
            (Some(name), _) | (None, Host::Name(name)) => Some(name.clone()),
            (None, Host::Ip(_)) => None,
        };
        let mut broken = Vec::new();
        let trust = self.authorities.as_ref().and_then(|source| {
            let authorities = read("caCert", source, secrets, certificate::certificates_pem);
            let authorities = authorities.map_err(|one| broken.push(one)).ok()?;
            let name = || sni.clone().unwrap_or_else(|| host.text().into());
            let name = (!self.any_name).then(name);
            Some(Trust { authorities, name })
        });
        let client = self.client(service, secrets).unwrap_or_else(|all| {
            broken.extend(all);
            None
        });
        if !broken.is_empty() {
            return Err(broken);
        }
        Ok(Tls {
            sni,
            trust,
            client,
            allow_renegotiation: self.allow_renegotiation,
        })
    }

    fn client(&self, service: &str, secrets: &Materials) -> Result<Option<Identity>, Vec<Broken>> {
        let (certificate, key) = match (&self.certificate, &self.key) {
            (None, None) => return Ok(None),
            (Some(certificate), Some(key)) => (certificate, key),
            (Some(_), None) => return Err(vec![("clientKey", Reason::HalfClientCertificate)]),
            (None, Some(_)) => return Err(vec![("clientCert", Reason::HalfClientCertificate)]),
        };
        let chain = read("clientCert", certificate, secrets, |text| {
            certificate::check_certificates(text).map(|()| text)
        });
        let key = read("clientKey", key, secrets, |text| {
            certificate::check_key(text).map(|()| text)
        });
        let (chain, key) = match (chain, key) {
            (Ok(chain), Ok(key)) => (chain, key),
            (chain, key) => return Err(chain.err().into_iter().chain(key.err()).collect()),
        };
        let pair = Pair::of(chain, key).map_err(|error| vec![("clientKey", unusable(&error))])?;
        Ok(Some(Identity {
            name: format!("cert.client:external-service:{service}").into(),
            chain: pair.chain_pem(),
            key: pair.key_pem(),
        }))
    }
}

/// What `of` makes of the text of a field.
fn read<'a, T>(
    field: &'static str,
    source: &'a Source,
    secrets: &'a Materials,
    of: impl FnOnce(&'a [u8]) -> Result<T, BundleError>,
) -> Result<T, Broken> {
    let text = source.text(secrets).map_err(|reason| (field, reason))?;
    of(text).map_err(|error| (field, unusable(&error)))
}

/// The error says nothing of the content.
fn unusable(error: &BundleError) -> Reason {
    Reason::Certificate(error.to_string())
}
