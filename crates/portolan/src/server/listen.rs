//! HTTP/1.1 and HTTP/2 servers, plain and with TLS, that end gracefully.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use axum::Router;
use axum_server::{
    Handle,
    accept::NoDelayAcceptor,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How often a peer that says nothing is asked whether it is there.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// How long it may take to answer before the connection is closed.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// HTTP/2 window: a large state goes out without waiting for the peer at each 64 KiB.
const WINDOW_BYTES: u32 = 1024 * 1024;
/// How long open requests may take to end after the order to stop; long streams are then cut.
const DRAIN: Duration = Duration::from_secs(2);

/// Binds, so that a taken port is reported before anything else starts. Port 0 takes a free one.
pub(crate) fn bind(address: SocketAddr, what: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).with_context(|| {
        format!("cannot listen on {address} for {what}: choose another address")
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Binds an address that nobody has asked for; if it is taken, `without` says in the log what is missing.
pub(crate) fn bind_if_free(address: SocketAddr, without: &'static str) -> Option<TcpListener> {
    let bind = || -> std::io::Result<TcpListener> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bind()
        .inspect_err(|error| warn!(%address, %error, "{without}"))
        .ok()
}

/// Serves until cancelled; without `tls` in plain text.
///
/// # Errors
/// When accepting fails for good.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<rustls::ServerConfig>>,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let handle = Handle::new();
    let stop = handle.clone();
    tokio::spawn(async move {
        cancel.cancelled().await;
        stop.graceful_shutdown(Some(DRAIN));
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum_server::from_tcp(listener)?.handle(handle);
    match tls {
        Some(config) => {
            let acceptor = RustlsAcceptor::new(RustlsConfig::from_config(config))
                .acceptor(NoDelayAcceptor::new());
            let mut server = server.acceptor(acceptor);
            tune(server.http_builder());
            server.serve(service).await?;
        }
        None => {
            let mut server = server.acceptor(NoDelayAcceptor::new());
            tune(server.http_builder());
            server.serve(service).await?;
        }
    }
    Ok(())
}

fn tune(builder: &mut hyper_util::server::conn::auto::Builder<TokioExecutor>) {
    builder.http1().timer(TokioTimer::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(4 * WINDOW_BYTES);
}
