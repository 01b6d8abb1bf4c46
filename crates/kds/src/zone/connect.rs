//! Connections to a global that notice when it is gone.

use std::{sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use super::ZoneError;

/// How often an idle connection is tried.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// How long an answer to that may take.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// HTTP/2 window of a stream.
const WINDOW_BYTES: u32 = 1024 * 1024;

/// The addresses as endpoints.
pub(super) fn endpoints(globals: &[String]) -> Result<Vec<Endpoint>, ZoneError> {
    if globals.is_empty() {
        return Err(ZoneError::Address(String::new()));
    }
    globals.iter().map(|url| endpoint(url)).collect()
}

fn endpoint(url: &str) -> Result<Endpoint, ZoneError> {
    let not_one = || ZoneError::Address(url.to_owned());
    // tonic must not add TLS of its own: the scheme is read by the connector.
    let http = match url.split_once("://") {
        Some(("grpcs", rest)) => format!("https://{rest}"),
        Some(("grpc", rest)) => format!("http://{rest}"),
        _ => return Err(not_one()),
    };
    let endpoint = Endpoint::from_shared(http).map_err(|_| not_one())?;
    Ok(endpoint
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(4 * WINDOW_BYTES)
        .user_agent(concat!("portolan/", env!("CARGO_PKG_VERSION")))
        .unwrap_or_else(|_| unreachable!("the name of this program is a valid header")))
}

/// Connects.
pub(super) async fn connect(
    endpoint: &Endpoint,
    tls: &Arc<rustls::ClientConfig>,
) -> Result<Channel, tonic::transport::Error> {
    let tls = TlsConnector::from(Arc::clone(tls));
    let connector = service_fn(move |uri: Uri| {
        let tls = tls.clone();
        async move { dial(&uri, &tls).await }
    });
    endpoint.connect_with_connector(connector).await
}

/// What tonic speaks HTTP/2 over.
trait Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Io for T {}

async fn dial(uri: &Uri, tls: &TlsConnector) -> std::io::Result<TokioIo<Box<dyn Io>>> {
    let invalid = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidInput, what);
    let host = uri.host().ok_or_else(|| invalid("no host"))?.trim_matches(['[', ']']);
    let secure = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(5685);
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    if !secure {
        return Ok(TokioIo::new(Box::new(stream)));
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|_| invalid("no server name"))?;
    let stream = tls.connect(name, stream).await?;
    Ok(TokioIo::new(Box::new(stream)))
}
