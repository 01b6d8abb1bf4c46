//! TLS that ends at the gateway or begins there: what a listener or a cluster says of it, and the
//! certificates that they ask for.

use envoy_types::pb::envoy::{
    config::core::v3::{
        DataSource, TransportSocket, data_source::Specifier, transport_socket::ConfigType,
    },
    extensions::transport_sockets::tls::v3::{
        CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, SdsSecretConfig,
        Secret, SubjectAltNameMatcher, TlsCertificate, TlsParameters, UpstreamTlsContext,
        common_tls_context::ValidationContextType, downstream_tls_context::SessionTicketKeysType,
        secret::Type, subject_alt_name_matcher::SanType, tls_parameters::TlsProtocol,
    },
    r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern},
};

use super::{Encoded, ads, any, boolean, defaults};
use crate::plan::{
    certificate::Identity,
    external::{Tls, Trust},
    port::Protocol,
};

/// Ends TLS with the certificates of these names, which come by SDS: a certificate that is replaced
/// changes no listener and ends no connection. The keys of session tickets, which the Secret of that name
/// holds, come in the same way: a client that comes back is known to all instances that have them.
pub(super) fn transport_socket(
    certificates: &[&str],
    ticket_keys: &str,
    protocol: Protocol,
) -> TransportSocket {
    let by_sds = |name: &str| SdsSecretConfig {
        name: name.to_owned(),
        sds_config: ads(),
    };
    let configs = certificates.iter().map(|name| by_sds(name));
    let context = DownstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            tls_params: Some(TlsParameters {
                tls_minimum_protocol_version: TlsProtocol::TlSv12.into(),
                ..TlsParameters::default()
            }),
            tls_certificate_sds_secret_configs: configs.collect(),
            // What goes through a TLS listener is between the client and the backend.
            alpn_protocols: match protocol.carries_http() {
                true => defaults::ALPN.map(str::to_owned).to_vec(),
                false => Vec::new(),
            },
            ..CommonTlsContext::default()
        }),
        // Whoever comes from outside has no certificate to show.
        require_client_certificate: boolean(false),
        session_ticket_keys_type: Some(SessionTicketKeysType::SessionTicketKeysSdsSecretConfig(
            by_sds(ticket_keys),
        )),
        ..DownstreamTlsContext::default()
    };
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(ConfigType::TypedConfig(any(
            "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            &context,
        ))),
    }
}

/// Begins TLS with an external service. What is shown to it comes by SDS, so that its key is in no cluster.
pub(super) fn upstream_socket(tls: &Tls) -> TransportSocket {
    let client = tls.client.iter().map(|identity| SdsSecretConfig {
        name: identity.name.to_string(),
        sds_config: ads(),
    });
    let common = CommonTlsContext {
        tls_certificate_sds_secret_configs: client.collect(),
        validation_context_type: tls
            .trust
            .as_ref()
            .map(|trust| ValidationContextType::ValidationContext(validation(trust))),
        ..CommonTlsContext::default()
    };
    let context = UpstreamTlsContext {
        common_tls_context: (common != CommonTlsContext::default()).then_some(common),
        sni: tls.sni.as_deref().unwrap_or_default().to_owned(),
        allow_renegotiation: tls.allow_renegotiation,
        ..UpstreamTlsContext::default()
    };
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(ConfigType::TypedConfig(any(
            "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            &context,
        ))),
    }
}

fn validation(trust: &Trust) -> CertificateValidationContext {
    let for_name = |san_type: SanType| {
        trust.name.as_deref().map(|name| SubjectAltNameMatcher {
            san_type: san_type.into(),
            matcher: Some(StringMatcher {
                match_pattern: Some(MatchPattern::Exact(name.to_owned())),
                ..StringMatcher::default()
            }),
            ..SubjectAltNameMatcher::default()
        })
    };
    let names = [SanType::Dns, SanType::IpAddress];
    CertificateValidationContext {
        trusted_ca: inline(&trust.authorities),
        match_typed_subject_alt_names: names.into_iter().filter_map(for_name).collect(),
        ..CertificateValidationContext::default()
    }
}

pub(super) fn inline(text: &str) -> Option<DataSource> {
    Some(DataSource {
        specifier: Some(Specifier::InlineString(text.to_owned())),
        ..DataSource::default()
    })
}

/// A certificate with its key, as a proxy asks for it.
pub(crate) fn secret(identity: &Identity) -> Encoded {
    Encoded::of(&Secret {
        name: identity.name.to_string(),
        r#type: Some(Type::TlsCertificate(TlsCertificate {
            certificate_chain: inline(&identity.chain),
            private_key: inline(&identity.key),
            ..TlsCertificate::default()
        })),
    })
}
