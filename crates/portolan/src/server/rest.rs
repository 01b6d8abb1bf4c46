//! Where the REST API is served: in plain HTTP on the machine itself, and over TLS.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
};

use axum::Router;
use clap::Args;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{listen, tasks::Tasks};

/// Kuma's port, on loopback: who may reach the API from elsewhere is for its owner to say.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5682);

/// Where the API is served over TLS.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct ApiTlsAddress {
    /// Where the REST API listens over TLS, with the certificate of the other ports [default: 127.0.0.1:5682;
    /// if that is taken, nowhere]
    #[arg(long, env = "PORTOLAN_API_TLS_BIND", value_name = "ADDR")]
    api_tls_bind: Option<SocketAddr>,
}

/// The two listeners of the REST API.
pub(crate) struct RestListeners {
    plain: TcpListener,
    tls: Option<TcpListener>,
}

impl RestListeners {
    /// Binds both. Nobody has asked for the default of TLS, so a process does without it, and says so.
    ///
    /// # Errors
    /// When an address that was asked for cannot be had.
    pub(crate) fn bind(plain: SocketAddr, tls: ApiTlsAddress) -> anyhow::Result<Self> {
        let listener = listen::bind(plain, "the REST API (--api-bind)")?;
        if !plain.ip().is_loopback() {
            warn!(
                address = %plain,
                "the REST API is served in plain HTTP beyond this machine: tokens and secrets can be read on \
                 the way; use --api-tls-bind for that, and keep --api-bind on loopback"
            );
        }
        let tls = match tls.api_tls_bind {
            Some(address) => Some(listen::bind(address, "the REST API (--api-tls-bind)")?),
            None => listen::bind_if_free(
                DEFAULT,
                "no REST API over TLS: choose an address with --api-tls-bind",
            ),
        };
        Ok(Self {
            plain: listener,
            tls,
        })
    }

    /// Where plain HTTP is served.
    pub(crate) fn plain(&self) -> std::io::Result<SocketAddr> {
        self.plain.local_addr()
    }

    /// Where TLS is served.
    pub(crate) fn tls(&self) -> Option<SocketAddr> {
        self.tls.as_ref().and_then(|tls| tls.local_addr().ok())
    }

    /// Serves the API on both until cancelled.
    pub(crate) fn serve(
        self,
        router: Router,
        certificate: Arc<rustls::ServerConfig>,
        tasks: &mut Tasks,
        cancel: &CancellationToken,
    ) {
        let plain = listen::serve(self.plain, router.clone(), None, cancel.clone());
        tasks.spawn("REST API", plain);
        if let Some(tls) = self.tls {
            let tls = listen::serve(tls, router, Some(certificate), cancel.clone());
            tasks.spawn("REST API over TLS", tls);
        }
    }
}
