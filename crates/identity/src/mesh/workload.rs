//! The certificates of workloads: what they say and how they are made.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use portolan_model::tags::SERVICE;
use rcgen::{
    CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType,
};

use super::{MeshAuthority, MeshAuthorityError, authority::CLOCK_SKEW};
use crate::Secret;

/// The tags of a workload, each with all values that it has on any of its ports.
pub type WorkloadTags = BTreeMap<String, BTreeSet<String>>;

/// A workload's certificate with its key.
#[derive(Clone, Debug)]
pub struct WorkloadCertificate {
    /// The certificate as PEM, without its authority's, which peers have.
    pub cert_pem: String,
    /// Its private key as PEM.
    pub key_pem: Secret,
    /// When it was made.
    pub issued: Timestamp,
    /// When it ends, in whole seconds.
    pub expires: Timestamp,
}

impl WorkloadCertificate {
    /// When the next one is due: at four fifths of its life.
    pub fn renew_at(&self) -> Timestamp {
        let life = self.expires.duration_since(self.issued);
        self.issued
            .checked_add(life * 4 / 5)
            .unwrap_or(self.expires)
    }
}

/// Who a workload is: `spiffe://MESH/SERVICE` for each of its services, then `kuma://TAG/VALUE` for each
/// of its tags, by which permissions can name it.
pub fn identities(mesh: &str, tags: &WorkloadTags) -> Vec<String> {
    let services = tags.get(SERVICE).into_iter().flatten();
    let services = services.map(|service| format!("spiffe://{mesh}/{service}"));
    let tags = tags.iter().flat_map(|(tag, values)| {
        let values = values.iter();
        values.map(move |value| format!("kuma://{tag}/{value}"))
    });
    services.chain(tags).collect()
}

impl MeshAuthority {
    /// A certificate for a workload with a new key, valid from now on for `lifetime`, or until the
    /// authority's own ends.
    ///
    /// # Errors
    /// When the authority has ended, or a tag cannot stand in a certificate.
    pub fn issue(
        &self,
        mesh: &str,
        tags: &WorkloadTags,
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<WorkloadCertificate, MeshAuthorityError> {
        if self.not_after() <= now {
            return Err(MeshAuthorityError::Expired(self.not_after()));
        }
        let expires = now.checked_add(lifetime).unwrap_or(Timestamp::MAX);
        let expires = expires.min(self.not_after());
        // Certificates tell whole seconds.
        let expires = Timestamp::from_second(expires.as_second()).unwrap_or(expires);
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for identity in identities(mesh, tags) {
            params
                .subject_alt_names
                .push(SanType::URI(identity.try_into()?));
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyAgreement,
        ];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        params.not_before = (SystemTime::from(now) - CLOCK_SKEW).into();
        params.not_after = SystemTime::from(expires).into();
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        Ok(WorkloadCertificate {
            cert_pem: params.signed_by(&key, &self.issuer)?.pem(),
            key_pem: Secret::from(key.serialize_pem()),
            issued: now,
            expires,
        })
    }
}
