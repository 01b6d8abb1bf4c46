//! Addresses that nobody listens on.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    ops::RangeInclusive,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::SandboxError;

/// Below those that the kernel gives to outgoing connections and to whoever listens on any port, either of which
/// might take one between the look and the process that it is for.
const PORTS: RangeInclusive<u16> = 20_000..=32_000;

/// A port of 127.0.0.1 that is free now, and that nobody else in this process is told.
pub fn free_port() -> Result<u16, SandboxError> {
    static NEXT: OnceLock<AtomicUsize> = OnceLock::new();
    // Processes beside this one begin elsewhere.
    let next = NEXT.get_or_init(|| AtomicUsize::new(std::process::id() as usize * 97));
    for _ in PORTS {
        let at = next.fetch_add(1, Ordering::Relaxed) % PORTS.len();
        let free = PORTS
            .clone()
            .nth(at)
            .filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
        if let Some(port) = free {
            return Ok(port);
        }
    }
    Err(std::io::Error::from(std::io::ErrorKind::AddrInUse).into())
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
