//! Certificates for tests, made anew for each run.

use std::sync::LazyLock;

use portolan_model::certificate::Bundle;
use rcgen::{
    CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SignatureAlgorithm,
};

/// A certificate that signs itself.
pub(crate) struct Certificate {
    pub(crate) der: Vec<u8>,
    /// Its private key, in PKCS #8.
    pub(crate) key: Vec<u8>,
    /// The certificate and its key, as a Secret holds them.
    pub(crate) bundle: String,
}

impl Certificate {
    /// For this host, or this wildcard.
    pub(crate) fn for_host(host: &str) -> Self {
        Self::of(&PKCS_ECDSA_P256_SHA256, host)
    }

    fn of(algorithm: &'static SignatureAlgorithm, host: &str) -> Self {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let params = CertificateParams::new([host.to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            der: certificate.der().to_vec(),
            key: key.serialize_der(),
            bundle: certificate.pem() + &key.serialize_pem(),
        }
    }

    /// The document of a Secret with it.
    pub(crate) fn secret(&self, name: &str) -> String {
        secret(name, &self.bundle)
    }
}

/// The document of a Secret with all of these.
pub(crate) fn secret_of(name: &str, certificates: &[&Certificate]) -> String {
    let bundles = certificates.iter().map(|one| one.bundle.as_str());
    secret(name, &bundles.collect::<String>())
}

fn secret(name: &str, bundle: &str) -> String {
    let data = base64(bundle);
    format!("---\ntype: Secret\nname: {name}\ndata: {data}\n")
}

/// With an RSA key.
pub(crate) static RSA: LazyLock<Certificate> =
    LazyLock::new(|| Certificate::of(&PKCS_RSA_SHA256, "a.test"));
/// With an ECDSA key.
pub(crate) static ECDSA: LazyLock<Certificate> =
    LazyLock::new(|| Certificate::of(&PKCS_ECDSA_P256_SHA256, "a.test"));

/// Words for them in text: what stands in resources, and what comes out.
static WORDS: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let certificates = [("rsa", &*RSA), ("ecdsa", &*ECDSA)];
    let words = certificates.into_iter().flat_map(|(name, certificate)| {
        let bundle = Bundle::parse(certificate.bundle.as_bytes()).unwrap();
        let pair = &bundle.pairs()[0];
        [
            (format!("(secret with {name})"), base64(&certificate.bundle)),
            // JSON is YAML.
            (
                format!("(text with {name})"),
                serde_json::to_string(&certificate.bundle).unwrap(),
            ),
            (format!("(certificate of {name})"), pair.chain_pem()),
            (format!("(key of {name})"), pair.key_pem()),
        ]
    });
    words.collect()
});

/// Puts certificates in the place of words for them.
pub(crate) fn spelled_out(text: &str) -> String {
    if !text.contains(" with ") {
        return text.to_owned();
    }
    let words = WORDS.iter();
    words.fold(text.to_owned(), |text, (word, content)| {
        text.replace(word, content)
    })
}

/// The word for a text, if it is a part of one of the certificates.
pub(crate) fn word_for(text: &str) -> Option<&'static str> {
    if !text.starts_with("-----BEGIN") {
        return None;
    }
    let found = WORDS.iter().find(|(_, content)| content == text);
    found.map(|(word, _)| word.as_str())
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
