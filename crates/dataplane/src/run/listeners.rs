//! The listening sockets of an Envoy, closed so that no connection is lost.
//!
//! Envoys of a machine share their ports by `SO_REUSEPORT`: the kernel gives each new connection to one of
//! the listening sockets. When one of these is closed, the kernel resets the connections that wait on it to
//! be accepted, and those whose handshake is under way, unless `net.ipv4.tcp_migrate_req` is 1. Where it is
//! 0, the sockets first get a filter that drops the first packet of new connections (SYN), and Envoy accepts
//! what is there. A client whose SYN was dropped sends it again after 1 s, when the socket is gone, and is
//! served by another Envoy.

use std::{
    fs, io,
    net::SocketAddr,
    os::fd::RawFd,
    time::{Duration, Instant},
};

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use socket2::{SockFilter, Socket};
use tokio::{task::spawn_blocking, time::sleep};

/// Whether the kernel hands waiting connections over by itself.
const MIGRATE: &str = "/proc/sys/net/ipv4/tcp_migrate_req";
/// How often handshakes under way are looked for.
const BEAT: Duration = Duration::from_millis(5);
/// Envoy accepts what waits within this time.
const ACCEPT: Duration = Duration::from_millis(20);
/// Handshakes that take longer are given up.
const LONGEST_HANDSHAKE: Duration = Duration::from_millis(300);

/// From when this returns, the listening sockets of a process may be closed: nothing waits on them, and
/// nothing new comes. Where that cannot be had, says so in the log.
pub(super) async fn turn_away(pid: u32) {
    if fs::read_to_string(MIGRATE).is_ok_and(|text| text.trim() == "1") {
        return;
    }
    let filtered = spawn_blocking(move || filter_all(pid)).await;
    match filtered.unwrap_or_else(|error| Err(io::Error::other(error))) {
        Ok(ports) if ports.is_empty() => {}
        Ok(ports) => settle(&ports).await,
        Err(error) => tracing::warn!(
            %error,
            "cannot reach Envoy's listening sockets: connections that wait to be accepted are lost when \
             they close, unless net.ipv4.tcp_migrate_req is 1"
        ),
    }
}

/// Waits until no handshake is under way, and then for Envoy to accept.
async fn settle(ports: &[u16]) {
    let start = Instant::now();
    while start.elapsed() < LONGEST_HANDSHAKE {
        sleep(BEAT).await;
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
        let mut tables = tables.iter().flatten();
        if !tables.any(|table| has_handshake(table, ports)) {
            break;
        }
    }
    sleep(ACCEPT).await;
}

/// Filters the listening TCP sockets of a process; their ports.
fn filter_all(pid: u32) -> io::Result<Vec<u16>> {
    let process = Pid::from_raw(pid.cast_signed()).ok_or(io::ErrorKind::NotFound)?;
    let process = pidfd_open(process, PidfdFlags::empty())?;
    let mut ports = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let entry = entry?;
        let is_socket = fs::read_link(entry.path()).is_ok_and(|target| {
            target
                .as_os_str()
                .as_encoded_bytes()
                .starts_with(b"socket:")
        });
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<RawFd>().ok());
        let Some(number) = number.filter(|_| is_socket) else {
            continue;
        };
        // The same socket, for as long as this holds it. One that was closed meanwhile is no error.
        let socket = match pidfd_getfd(&process, number, PidfdGetfdFlags::empty()) {
            Ok(socket) => Socket::from(socket),
            Err(rustix::io::Errno::BADF) => continue,
            Err(error) => return Err(error.into()),
        };
        if let Some(address) = listens_at(&socket)? {
            drop_new(&socket)?;
            ports.push(address.port());
        }
    }
    Ok(ports)
}

/// Where it listens, if it is a TCP socket that does.
fn listens_at(socket: &Socket) -> io::Result<Option<SocketAddr>> {
    if !socket.is_listener()? {
        return Ok(None);
    }
    Ok(socket.local_addr()?.as_socket())
}

/// Lets no new connection begin: drops packets whose flags are SYN without ACK.
fn drop_new(socket: &Socket) -> io::Result<()> {
    // Classic BPF over the TCP header; byte 13 holds the flags.
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    const ALL: u32 = u32::MAX;
    socket.attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, ALL),
    ])
}

/// Whether the kernel's table has a connection to one of the ports that is not established yet.
fn has_handshake(table: &str, ports: &[u16]) -> bool {
    const SYN_RECEIVED: &str = "03";
    table.lines().skip(1).any(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let (local, state) = (columns.next(), columns.nth(1));
        let port = local.and_then(|local| local.rsplit_once(':'));
        let port = port.and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
        state == Some(SYN_RECEIVED) && port.is_some_and(|port| ports.contains(&port))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{
        io::{Read, Write},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    #[test]
    fn a_filtered_socket_takes_nothing_new_and_keeps_what_it_has() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = TcpStream::connect(address).unwrap();
        let socket = Socket::from(listener.try_clone().unwrap());
        assert_eq!(listens_at(&socket).unwrap(), Some(address));
        drop_new(&socket).unwrap();
        let error = TcpStream::connect_timeout(&address, Duration::from_millis(200)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);

        let (mut accepted, _) = listener.accept().unwrap();
        waiting.write_all(b"still here").unwrap();
        let mut heard = [0; 10];
        accepted.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"still here");
        assert_eq!(listens_at(&Socket::from(accepted)).unwrap(), None);
    }

    #[test]
    fn handshakes_are_found_in_the_kernels_table() {
        let table = "\
            sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n\
             1: 0100007F:1F91 0100007F:D2F0 03 00000000:00000000 01:00000063 00000000     0\n\
             2: 0100007F:1F92 0100007F:D2F0 01 00000000:00000000 01:00000063 00000000     0\n";
        for (port, expected) in [(8080, false), (8081, true), (8082, false)] {
            assert_eq!(has_handshake(table, &[port]), expected, "{port}");
        }
        assert!(!has_handshake("", &[8080]));
    }
}
