//! TLS that ends at the gateway: what a listener says of it, and the certificates that it asks for.

use envoy_types::pb::envoy::{
    config::core::v3::{
        DataSource, TransportSocket, data_source::Specifier, transport_socket::ConfigType,
    },
    extensions::transport_sockets::tls::v3::{
        CommonTlsContext, DownstreamTlsContext, SdsSecretConfig, Secret, TlsCertificate,
        TlsParameters, secret::Type, tls_parameters::TlsProtocol,
    },
};

use super::{Encoded, ads, any, boolean, defaults};
use crate::plan::{certificate::Identity, port::Protocol};

/// Ends TLS with the certificates of these names, which come by SDS: a certificate that is replaced
/// changes no listener and ends no connection.
pub(super) fn transport_socket(certificates: &[&str], protocol: Protocol) -> TransportSocket {
    let configs = certificates.iter().map(|name| SdsSecretConfig {
        name: (*name).to_owned(),
        sds_config: ads(),
    });
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

/// A certificate with its key, as a proxy asks for it.
pub(crate) fn secret(identity: &Identity) -> Encoded {
    let inline = |text: &str| {
        Some(DataSource {
            specifier: Some(Specifier::InlineString(text.to_owned())),
            ..DataSource::default()
        })
    };
    Encoded::of(&Secret {
        name: identity.name.to_string(),
        r#type: Some(Type::TlsCertificate(TlsCertificate {
            certificate_chain: inline(&identity.chain),
            private_key: inline(&identity.key),
            ..TlsCertificate::default()
        })),
    })
}
