//! A client that remembers its TLS sessions, by hand, so that each of its handshakes can be told apart.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
};

use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, NamedGroup, RootCertStore, StreamOwned,
    SupportedProtocolVersion,
    client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue},
    pki_types::{CertificateDer, ServerName},
};

use super::{HOST, LIMIT};

/// A client of listeners that show one certificate.
pub struct Client {
    config: Arc<ClientConfig>,
    sessions: Arc<Sessions>,
}

impl Client {
    /// Trusts this certificate, and speaks this version alone.
    pub fn new(
        trusted: CertificateDer<'static>,
        version: &'static SupportedProtocolVersion,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(trusted).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let sessions = Arc::new(Sessions::default());
        config.resumption = Resumption::store(Arc::clone(&sessions) as _);
        Self {
            config: Arc::new(config),
            sessions,
        }
    }

    /// From now on it keeps the sessions that it has, and no others.
    pub fn freeze(&self) {
        self.sessions.lock().frozen = true;
    }

    /// Connects, sends a request and waits for the beginning of its answer; whether the session was resumed.
    pub fn resumes(&self, listener: SocketAddr) -> std::io::Result<bool> {
        let name = ServerName::try_from(HOST).unwrap();
        let connection = ClientConnection::new(Arc::clone(&self.config), name).unwrap();
        let stream = TcpStream::connect(listener)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_nodelay(true)?;
        let mut stream = StreamOwned::new(connection, stream);
        let request = format!("GET /api HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        // Tickets of TLS 1.3 come before it.
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        assert_eq!(&answer, b"HTTP/1.1 200");
        Ok(stream.conn.handshake_kind() == Some(HandshakeKind::Resumed))
    }
}

/// The sessions that a client may resume.
#[derive(Debug, Default)]
struct Sessions(Mutex<Stock>);

#[derive(Debug, Default)]
struct Stock {
    group: Option<NamedGroup>,
    /// The newest.
    tls12: Option<Tls12ClientSessionValue>,
    /// Each for one connection, the newest last.
    tls13: Vec<Tls13ClientSessionValue>,
    frozen: bool,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, Stock> {
        self.0.lock().unwrap()
    }

    fn keep(&self, change: impl FnOnce(&mut Stock)) {
        let mut stock = self.lock();
        if !stock.frozen {
            change(&mut stock);
        }
    }
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.keep(|stock| stock.group = Some(group));
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.lock().group
    }

    fn set_tls12_session(&self, _: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.keep(|stock| stock.tls12 = Some(session));
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.lock().tls12.clone()
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.keep(|stock| stock.tls12 = None);
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        self.keep(|stock| stock.tls13.push(ticket));
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.lock().tls13.pop()
    }
}
