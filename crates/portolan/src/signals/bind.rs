//! Where signals are served.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use clap::Args;

use crate::server::listen;

/// Kuma's diagnostics port, on loopback: what a process tells is for the machine's own observers, unless
/// its owner says otherwise.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5680);
const WHAT: &str = "signals (--diagnostics-bind)";
const WITHOUT: &str =
    "no /healthz, /readyz and /metrics: choose an address with --diagnostics-bind";

/// Of a control plane, which serves them unless it is kept from it.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct BindAddress {
    /// Where /healthz, /readyz and /metrics are served, in plain HTTP [default: 127.0.0.1:5680; if that is
    /// taken, nowhere]
    #[arg(long, env = "PORTOLAN_DIAGNOSTICS_BIND", value_name = "ADDR")]
    diagnostics_bind: Option<SocketAddr>,
}

impl BindAddress {
    /// Binds. Nobody has asked for the default address, so a process does without it, and says so.
    ///
    /// # Errors
    /// When the address that was asked for cannot be had.
    pub(crate) fn bind(self) -> anyhow::Result<Option<TcpListener>> {
        match self.diagnostics_bind {
            Some(address) => listen::bind(address, WHAT).map(Some),
            None => Ok(listen::bind_if_free(DEFAULT, WITHOUT)),
        }
    }
}

/// Of a data plane: there are several on a machine, so none has the default.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct OptionalBindAddress {
    /// Where /healthz, /readyz and /metrics are served, in plain HTTP [default: nowhere]
    #[arg(long, env = "PORTOLAN_DIAGNOSTICS_BIND", value_name = "ADDR")]
    diagnostics_bind: Option<SocketAddr>,
}

impl OptionalBindAddress {
    /// Binds, if there is an address.
    ///
    /// # Errors
    /// When it cannot be had.
    pub(crate) fn bind(self) -> anyhow::Result<Option<TcpListener>> {
        let listener = self
            .diagnostics_bind
            .map(|address| listen::bind(address, WHAT));
        listener.transpose()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_taken_address_stops_only_who_asked_for_it() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = taken.local_addr().unwrap();
        assert!(listen::bind_if_free(address, WITHOUT).is_none());
        let asked = BindAddress {
            diagnostics_bind: Some(address),
        };
        let error = format!("{:#}", asked.bind().unwrap_err());
        assert!(error.contains("--diagnostics-bind"), "{error}");
        drop(taken);
        assert_eq!(
            listen::bind_if_free(address, WITHOUT)
                .unwrap()
                .local_addr()
                .unwrap(),
            address
        );
    }
}
