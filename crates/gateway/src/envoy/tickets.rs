//! Keys of TLS session tickets: with them a client that comes back to any instance of a gateway needs no
//! full handshake. The zone makes the keys; here is what Secrets of them are called, and what they hold.

use std::sync::Arc;

use envoy_types::pb::envoy::{
    config::core::v3::{DataSource, data_source::Specifier},
    extensions::transport_sockets::tls::v3::{Secret, TlsSessionTicketKeys, secret::Type},
};

use super::Encoded;

/// Length of one key: Envoy takes 16 bytes as its name, 32 to authenticate tickets and 32 to encrypt them.
pub const TICKET_KEY_BYTES: usize = 80;

/// By what instances of a gateway ask for their keys. Names of meshes and gateways have no colon, so no two
/// gateways share one.
pub(crate) fn name(mesh: &str, gateway: &str) -> Arc<str> {
    format!("session_tickets:{mesh}:{gateway}").into()
}

/// Keys of session tickets as a Secret of this name. Envoy encrypts with the first key, and decrypts with
/// all of them.
pub fn ticket_keys_secret(name: &str, keys: &[&[u8; TICKET_KEY_BYTES]]) -> Encoded {
    let keys = keys.iter().map(|key| DataSource {
        specifier: Some(Specifier::InlineBytes(key.to_vec())),
        ..DataSource::default()
    });
    Encoded::of(&Secret {
        name: name.to_owned(),
        r#type: Some(Type::SessionTicketKeys(TlsSessionTicketKeys {
            keys: keys.collect(),
        })),
    })
}
