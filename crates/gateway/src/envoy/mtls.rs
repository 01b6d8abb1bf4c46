//! Mutual TLS between the members of a mesh: what clusters and listeners say of it, and the certificates
//! that they ask for. Certificates come by SDS, so that a new one changes nothing else.

use std::sync::Arc;

use envoy_types::pb::envoy::{
    config::core::v3::{TransportSocket, transport_socket::ConfigType},
    extensions::transport_sockets::tls::v3::{
        CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, SdsSecretConfig,
        Secret, SubjectAltNameMatcher, TlsCertificate, UpstreamTlsContext,
        common_tls_context::{CombinedCertificateValidationContext, ValidationContextType},
        secret::Type,
        subject_alt_name_matcher::SanType,
    },
    r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern},
};
use portolan_model::tags::{MESH, SERVICE};
use prost::Message;

use super::{Encoded, ads, any, boolean, tls::inline};
use crate::plan::destination::Destination;

/// What tells connections of the mesh from TLS of the application itself.
pub(super) const ALPN: &str = "kuma";

/// Who a service of a mesh is: `spiffe://MESH/SERVICE`.
pub(super) fn service_id(mesh: &str, service: &str) -> MatchPattern {
    MatchPattern::Exact(format!("spiffe://{mesh}/{service}"))
}

/// Shows the proxy's own certificate, of this mesh, to instances of a destination, and takes theirs if it is
/// one of the destination's service in its mesh.
pub(super) fn to_destination(mesh: &str, destination: &Destination) -> TransportSocket {
    let there = destination.mesh().unwrap_or(mesh);
    let peer = service_id(there, destination.service());
    let context = UpstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            alpn_protocols: vec![ALPN.to_owned()],
            ..common(mesh, Some(peer), authority_name(there))
        }),
        sni: server_name(there, destination),
        ..UpstreamTlsContext::default()
    };
    socket(
        "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        &context,
    )
}

/// Takes connections of members of the mesh alone.
pub(super) fn from_members(mesh: &str) -> TransportSocket {
    let context = DownstreamTlsContext {
        common_tls_context: Some(common(
            mesh,
            Some(MatchPattern::Prefix(format!("spiffe://{mesh}/"))),
            authority_name(mesh),
        )),
        require_client_certificate: boolean(true),
        ..DownstreamTlsContext::default()
    };
    socket(
        "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        &context,
    )
}

/// Takes connections of members of any mesh; shows them the certificate of this one.
pub(super) fn from_any_mesh(mesh: &str) -> TransportSocket {
    let context = DownstreamTlsContext {
        common_tls_context: Some(common(mesh, None, all_authorities_name())),
        require_client_certificate: boolean(true),
        ..DownstreamTlsContext::default()
    };
    socket(
        "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        &context,
    )
}

/// `SERVICE{mesh=MESH}`, with the destination's other tags in the braces, ordered.
pub(super) fn server_name(mesh: &str, destination: &Destination) -> String {
    let tags = destination.tags().iter();
    let tags = tags.filter(|(name, _)| *name != SERVICE && *name != MESH);
    let mut pairs: Vec<_> = tags.map(|(name, value)| (&**name, &**value)).collect();
    pairs.push(("mesh", mesh));
    pairs.sort_unstable();
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{}{{{}}}", destination.service(), pairs.join(","))
}

/// Shows the certificate of the proxy in this mesh, and takes those of `authorities` for this peer.
fn common(mesh: &str, peer: Option<MatchPattern>, authorities: String) -> CommonTlsContext {
    let by_sds = |name: String| SdsSecretConfig {
        name,
        sds_config: ads(),
    };
    let peer = peer.map(|peer| SubjectAltNameMatcher {
        san_type: SanType::Uri.into(),
        matcher: Some(StringMatcher {
            match_pattern: Some(peer),
            ..StringMatcher::default()
        }),
        ..SubjectAltNameMatcher::default()
    });
    let validation = CombinedCertificateValidationContext {
        default_validation_context: Some(CertificateValidationContext {
            match_typed_subject_alt_names: peer.into_iter().collect(),
            ..CertificateValidationContext::default()
        }),
        validation_context_sds_secret_config: Some(by_sds(authorities)),
        ..CombinedCertificateValidationContext::default()
    };
    CommonTlsContext {
        tls_certificate_sds_secret_configs: vec![by_sds(identity_name(mesh))],
        validation_context_type: Some(ValidationContextType::CombinedValidationContext(validation)),
        ..CommonTlsContext::default()
    }
}

fn socket(type_url: &str, context: &impl Message) -> TransportSocket {
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(ConfigType::TypedConfig(any(type_url, context))),
    }
}

fn identity_name(mesh: &str) -> String {
    format!("identity_cert:secret:{mesh}")
}

fn authority_name(mesh: &str) -> String {
    format!("mesh_ca:secret:{mesh}")
}

/// Kuma's name for what the authorities of all meshes have issued.
fn all_authorities_name() -> String {
    authority_name("all")
}

/// The certificate of a proxy in a mesh and its key, both as PEM, under the name by which it asks for them.
pub fn identity_secret(mesh: &str, chain: &str, key: &str) -> (Arc<str>, Encoded) {
    let certificate = TlsCertificate {
        certificate_chain: inline(chain),
        private_key: inline(key),
        ..TlsCertificate::default()
    };
    named(identity_name(mesh), Type::TlsCertificate(certificate))
}

/// The certificates, as PEM, that members of a mesh trust, under the name by which they ask for them.
pub fn authority_secret(mesh: &str, certificates: &str) -> (Arc<str>, Encoded) {
    trusting(authority_name(mesh), certificates)
}

/// The same of all meshes together, for gateways with `crossMesh` listeners.
pub fn all_authorities_secret(certificates: &str) -> (Arc<str>, Encoded) {
    trusting(all_authorities_name(), certificates)
}

fn trusting(name: String, certificates: &str) -> (Arc<str>, Encoded) {
    let validation = CertificateValidationContext {
        trusted_ca: inline(certificates),
        ..CertificateValidationContext::default()
    };
    named(name, Type::ValidationContext(validation))
}

fn named(name: String, of: Type) -> (Arc<str>, Encoded) {
    let secret = Secret {
        name: name.clone(),
        r#type: Some(of),
    };
    (name.into(), Encoded::of(&secret))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn server_names_have_the_mesh_among_the_tags() {
        for (tags, expected) in [
            (&[(SERVICE, "api")][..], "api{mesh=default}"),
            (
                &[
                    (SERVICE, "api"),
                    ("version", "v1"),
                    ("kuma.io/zone", "east"),
                ],
                "api{kuma.io/zone=east,mesh=default,version=v1}",
            ),
        ] {
            let tags = tags.iter();
            let tags = tags.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let destination = Destination::new(tags.collect()).unwrap();
            assert_eq!(server_name("default", &destination), expected);
        }
    }
}
