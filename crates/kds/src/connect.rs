//! gRPC connections to a control plane, which notice when it is gone.

use std::{sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How the control plane sees this program.
const USER_AGENT: &str = concat!("portolan/", env!("CARGO_PKG_VERSION"));
/// HTTP/2 window of a stream.
const WINDOW_BYTES: u32 = 1024 * 1024;

/// How a connection that has died in silence is found.
#[derive(Clone, Copy, Debug)]
pub struct Keepalive {
    /// How often an idle connection is tried.
    pub interval: Duration,
    /// How long an answer to that may take.
    pub timeout: Duration,
}

/// An address of a control plane, `grpcs://HOST:PORT` or, without TLS, `grpc://HOST:PORT`.
#[derive(Clone, Debug)]
pub struct Address {
    endpoint: Endpoint,
    /// Whether the connector adds TLS; tonic must not add any of its own.
    secure: bool,
}

impl Address {
    /// Reads it; `None` for what is none.
    pub fn parse(url: &str, keepalive: Keepalive) -> Option<Self> {
        let (secure, authority) = match url.split_once("://") {
            Some(("grpcs", rest)) => (true, rest),
            Some(("grpc", rest)) => (false, rest),
            _ => return None,
        };
        let endpoint = Endpoint::from_shared(format!("http://{authority}"))
            .and_then(|endpoint| endpoint.user_agent(USER_AGENT))
            .ok()?
            .http2_keep_alive_interval(keepalive.interval)
            .keep_alive_timeout(keepalive.timeout)
            .keep_alive_while_idle(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(4 * WINDOW_BYTES);
        Some(Self { endpoint, secure })
    }
}

/// Connects.
///
/// # Errors
/// When nobody answers there, or TLS does not come about.
pub async fn connect(
    address: &Address,
    tls: &Arc<rustls::ClientConfig>,
) -> Result<Channel, tonic::transport::Error> {
    let tls = address.secure.then(|| TlsConnector::from(Arc::clone(tls)));
    let connector = service_fn(move |uri: Uri| {
        let tls = tls.clone();
        async move { dial(&uri, tls).await }
    });
    address.endpoint.connect_with_connector(connector).await
}

/// What tonic speaks HTTP/2 over.
trait Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Io for T {}

async fn dial(uri: &Uri, tls: Option<TlsConnector>) -> std::io::Result<TokioIo<Box<dyn Io>>> {
    let invalid = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidInput, what);
    let host = uri
        .host()
        .ok_or_else(|| invalid("no host"))?
        .trim_matches(['[', ']']);
    let port = uri.port_u16().unwrap_or(5685);
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = tls else {
        return Ok(TokioIo::new(Box::new(stream)));
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|_| invalid("no server name"))?;
    let stream = tls.connect(name, stream).await?;
    Ok(TokioIo::new(Box::new(stream)))
}
