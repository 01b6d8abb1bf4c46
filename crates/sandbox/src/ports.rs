//! Addresses that nobody listens on.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use crate::SandboxError;

/// A port of 127.0.0.1 that is free now.
pub fn free_port() -> Result<u16, SandboxError> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// The first of the addresses `127.0.N.1`, N from `first` on, on which `port` is free.
pub fn loopback_with_free_port(first: u8, port: u16) -> Result<IpAddr, SandboxError> {
    let addresses = (first..=u8::MAX).map(|third| IpAddr::from(Ipv4Addr::new(127, 0, third, 1)));
    let mut last = None;
    for address in addresses {
        match TcpListener::bind(SocketAddr::new(address, port)) {
            Ok(_) => return Ok(address),
            Err(error) => last = Some(error),
        }
    }
    Err(last
        .unwrap_or_else(|| std::io::ErrorKind::AddrNotAvailable.into())
        .into())
}
