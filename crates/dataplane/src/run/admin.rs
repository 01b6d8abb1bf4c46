//! Envoy's admin interface, over its Unix socket.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::{net::UnixStream, time::timeout};

/// Envoy answers its admin interface on its main thread, which a large configuration keeps busy.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A call that did not work.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdminError {
    #[error("cannot connect: {0}")]
    Connect(#[from] io::Error),
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    #[error("answered {0}")]
    Status(StatusCode),
}

/// One Envoy's admin interface.
#[derive(Clone, Debug)]
pub(super) struct Admin(PathBuf);

impl Admin {
    pub(super) fn at(socket: PathBuf) -> Self {
        Self(socket)
    }

    pub(super) fn socket(&self) -> &Path {
        &self.0
    }

    /// Whether Envoy serves: it has had its first configuration, and neither drains nor ends.
    pub(super) async fn is_live(&self) -> bool {
        self.call(Method::GET, "/ready").await.is_ok()
    }

    /// From now on Envoy's health checks fail, so that load balancers send new connections elsewhere.
    pub(super) async fn fail_health_checks(&self) -> Result<(), AdminError> {
        self.call(Method::POST, "/healthcheck/fail").await.map(drop)
    }

    /// From now on Envoy asks its clients to come again elsewhere, and goes on serving meanwhile.
    pub(super) async fn drain(&self) -> Result<(), AdminError> {
        self.call(Method::POST, "/drain_listeners?graceful&skip_exit")
            .await
            .map(drop)
    }

    /// Envoy closes its listening sockets, and goes on serving what is open.
    pub(super) async fn close_listeners(&self) -> Result<(), AdminError> {
        self.call(Method::POST, "/drain_listeners").await.map(drop)
    }

    /// How many connections of clients are open.
    pub(super) async fn connections(&self) -> Result<u64, AdminError> {
        let filter = "/stats?filter=%5Elistener%5C..*downstream_cx_active%24";
        Ok(active_connections(&self.call(Method::GET, filter).await?))
    }

    async fn call(&self, method: Method, path: &str) -> Result<String, AdminError> {
        match timeout(TIMEOUT, self.exchange(method, path)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(AdminError::Timeout),
        }
    }

    async fn exchange(&self, method: Method, path: &str) -> Result<String, AdminError> {
        let stream = UnixStream::connect(&self.0).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "envoy")
            .body(Empty::<Bytes>::new())
            .map_err(io::Error::other)?;
        let exchange = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            if !status.is_success() {
                return Err(AdminError::Status(status));
            }
            Ok(String::from_utf8_lossy(&body).into_owned())
        };
        // The connection moves bytes only while it is polled; it ends with the exchange.
        tokio::select! {
            outcome = exchange => outcome,
            Err(error) = connection => Err(error.into()),
        }
    }
}

/// Sums lines like `listener.0.0.0.0_8080.downstream_cx_active: 3`. The admin interface counts its own
/// connections in the same way, and each worker counts what its listener counts already.
fn active_connections(stats: &str) -> u64 {
    stats
        .lines()
        .filter_map(|line| line.rsplit_once(": "))
        .filter(|(name, _)| !name.starts_with("listener.admin.") && !name.contains(".worker_"))
        .filter_map(|(_, count)| count.trim().parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_clients_are_counted_once() {
        let stats = "\
            listener.0.0.0.0_8080.downstream_cx_active: 3\n\
            listener.0.0.0.0_8080.worker_0.downstream_cx_active: 3\n\
            listener.[__1]_8443.downstream_cx_active: 2\n\
            listener.admin.downstream_cx_active: 1\n\
            listener.admin.main_thread.downstream_cx_active: 1\n";
        assert_eq!(active_connections(stats), 5);
        assert_eq!(active_connections(""), 0);
    }
}
