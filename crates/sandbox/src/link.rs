//! A network link that can be cut: a TCP proxy on loopback that counts what it carries.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
    task::JoinHandle,
};

use crate::SandboxError;

/// Carries connections to one address until it is dropped.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    up: watch::Sender<bool>,
    to_client: Arc<AtomicU64>,
    acceptor: JoinHandle<()>,
}

impl Link {
    /// A link to `target`.
    pub async fn to(target: SocketAddr) -> Result<Self, SandboxError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (up, state) = watch::channel(true);
        let to_client = Arc::new(AtomicU64::new(0));
        let acceptor = tokio::spawn(accept(listener, target, state, Arc::clone(&to_client)));
        Ok(Self {
            address,
            up,
            to_client,
            acceptor,
        })
    }

    /// Where to connect instead of the target.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts all connections and takes no new ones.
    pub fn cut(&self) {
        self.up.send_replace(false);
    }

    /// Takes connections again.
    pub fn mend(&self) {
        self.up.send_replace(true);
    }

    /// Bytes that the target has sent through it so far.
    pub fn bytes_to_client(&self) -> u64 {
        self.to_client.load(Ordering::Relaxed)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    up: watch::Receiver<bool>,
    to_client: Arc<AtomicU64>,
) {
    while let Ok((client, _)) = listener.accept().await {
        // A cut link drops the connection at once.
        if *up.borrow() {
            tokio::spawn(carry(client, target, up.clone(), Arc::clone(&to_client)));
        }
    }
}

async fn carry(
    client: TcpStream,
    target: SocketAddr,
    mut up: watch::Receiver<bool>,
    to_client: Arc<AtomicU64>,
) {
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    // Latency must be that of the peers.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let requests = Arc::new(AtomicU64::new(0));
    tokio::select! {
        () = pump(client_read, server_write, requests) => {}
        () = pump(server_read, client_write, to_client) => {}
        _ = up.wait_for(|up| !up) => {}
    }
}

async fn pump(mut from: tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf, carried: Arc<AtomicU64>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        carried.fetch_add(count as u64, Ordering::Relaxed);
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
