//! A control plane for one Envoy: it gives what it is told, and knows when the Envoy has it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use portolan_xds::{AdsServer, Connect, Events, Proxies, Refusal, Session, Snapshot};
use tokio::{net::TcpListener, sync::watch, time::timeout};
use tonic::{
    Status,
    transport::{Server, server::TcpIncoming},
};

/// Longest time that an Envoy may take for a configuration.
const LIMIT: Duration = Duration::from_secs(60);

/// The control plane.
pub(crate) struct Control {
    /// Where Envoys connect.
    pub(crate) address: SocketAddr,
    snapshots: watch::Sender<Option<Arc<Snapshot>>>,
    heard: watch::Receiver<Heard>,
}

/// What the Envoy has said.
#[derive(Clone, Debug, Default)]
struct Heard {
    serving: u64,
    refused: Option<String>,
}

struct Everybody {
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    heard: Arc<watch::Sender<Heard>>,
}

struct Listener(Arc<watch::Sender<Heard>>);

impl Events for Listener {
    fn sent(&mut self, _: &str) {}

    fn acknowledged(&mut self, _: &str) {}

    fn refused(&mut self, refusal: Refusal) {
        self.0
            .send_modify(|heard| heard.refused = Some(refusal.message));
    }

    fn serving(&mut self, watermark: u64) {
        self.0.send_modify(|heard| heard.serving = watermark);
    }
}

#[tonic::async_trait]
impl Proxies for Everybody {
    async fn connect(&self, _: Connect) -> Result<Session, Status> {
        Ok(Session {
            snapshots: self.snapshots.clone(),
            events: Box::new(Listener(Arc::clone(&self.heard))),
        })
    }
}

impl Control {
    /// Starts one on a free port.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let (snapshots, receiver) = watch::channel(None);
        let (sender, heard) = watch::channel(Heard::default());
        let everybody = Everybody {
            snapshots: receiver,
            heard: Arc::new(sender),
        };
        let service = AdsServer::new(Arc::new(everybody)).into_service();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        // As zones do: the end of a response does not wait for Envoy to acknowledge its beginning.
        let connections = TcpIncoming::from(listener).with_nodelay(Some(true));
        tokio::spawn(
            Server::builder()
                .add_service(service)
                .serve_with_incoming(connections),
        );
        Ok(Self {
            address,
            snapshots,
            heard,
        })
    }

    /// Gives the Envoy a configuration, and waits until it has taken it.
    pub(crate) async fn give(&mut self, snapshot: Snapshot) -> anyhow::Result<()> {
        let watermark = snapshot.watermark;
        self.snapshots.send_replace(Some(Arc::new(snapshot)));
        let done = |heard: &Heard| heard.serving >= watermark || heard.refused.is_some();
        let heard = timeout(LIMIT, self.heard.wait_for(done)).await;
        let Ok(heard) = heard else {
            bail!("Envoy did not take its configuration in time");
        };
        let heard = heard.context("the control plane ended")?;
        let refused = &heard.refused;
        ensure!(refused.is_none(), "Envoy refused: {refused:?}");
        Ok(())
    }
}
