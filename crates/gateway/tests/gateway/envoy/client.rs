//! A TLS client that tells what it was shown.

use std::{io, net::TcpStream, sync::Arc};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::ServerName,
};

use crate::certificates::Certificate;

/// A connection in TLS.
pub(super) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Shakes hands as a client that wants this host, offers these protocols and trusts one certificate.
pub(super) fn shake_hands(
    mut stream: TcpStream,
    host: &str,
    alpn: &[&str],
    trusted: &Certificate,
) -> io::Result<TlsStream> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der.clone().into()).unwrap();
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(connection, stream))
}
