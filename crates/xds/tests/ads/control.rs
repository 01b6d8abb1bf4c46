//! A control plane whose only proxy gets what the test says, and whose log the test can wait for.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use portolan_xds::{AdsServer, Connect, Events, Proxies, Refusal, Session, Snapshot};
use tokio::{net::TcpListener, sync::watch, time::timeout};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Status, transport::Server};

/// How long anything may take. Envoy gives up waiting for endpoints after 15 s, which must not be why it goes on.
const PATIENCE: Duration = Duration::from_secs(8);

/// Something that happened on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Connected(String),
    Sent(String),
    Acknowledged(String),
    Refused(Refusal),
    Serving(u64),
    Closed,
}

/// The control plane.
pub(crate) struct Control {
    pub(crate) address: SocketAddr,
    snapshots: Mutex<Option<watch::Sender<Option<Arc<Snapshot>>>>>,
    log: Arc<watch::Sender<Vec<Event>>>,
}

struct Everybody {
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    log: Arc<watch::Sender<Vec<Event>>>,
}

struct Log(Arc<watch::Sender<Vec<Event>>>);

impl Log {
    fn push(&self, event: Event) {
        self.0.send_modify(|events| events.push(event));
    }
}

impl Events for Log {
    fn sent(&mut self, type_url: &str) {
        self.push(Event::Sent(type_url.to_owned()));
    }

    fn acknowledged(&mut self, type_url: &str) {
        self.push(Event::Acknowledged(type_url.to_owned()));
    }

    fn refused(&mut self, refusal: Refusal) {
        self.push(Event::Refused(refusal));
    }

    fn serving(&mut self, watermark: u64) {
        self.push(Event::Serving(watermark));
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.push(Event::Closed);
    }
}

#[tonic::async_trait]
impl Proxies for Everybody {
    async fn connect(&self, request: Connect) -> Result<Session, Status> {
        if request.metadata.contains_key("unwelcome") {
            return Err(Status::permission_denied("not you"));
        }
        let log = Log(Arc::clone(&self.log));
        log.push(Event::Connected(request.node.id));
        Ok(Session {
            snapshots: self.snapshots.clone(),
            events: Box::new(log),
        })
    }
}

impl Control {
    /// Starts one on a free port.
    pub(crate) async fn start() -> Self {
        let (sender, snapshots) = watch::channel(None);
        let log = Arc::new(watch::Sender::new(Vec::new()));
        let everybody = Everybody {
            snapshots,
            log: Arc::clone(&log),
        };
        let service = AdsServer::new(Arc::new(everybody)).into_service();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = TcpListenerStream::new(listener);
        tokio::spawn(
            Server::builder()
                .add_service(service)
                .serve_with_incoming(connections),
        );
        Self {
            address,
            snapshots: Mutex::new(Some(sender)),
            log,
        }
    }

    /// Every proxy should now have this.
    pub(crate) fn publish(&self, snapshot: Snapshot) {
        let sender = self.snapshots.lock().unwrap();
        sender
            .as_ref()
            .unwrap()
            .send_replace(Some(Arc::new(snapshot)));
    }

    /// Serves nobody any more.
    pub(crate) fn let_go(&self) {
        self.snapshots.lock().unwrap().take();
    }

    /// Everything that happened so far.
    pub(crate) fn log(&self) -> Vec<Event> {
        self.log.borrow().clone()
    }

    /// Waits until something has happened.
    pub(crate) async fn saw(&self, matches: impl Fn(&Event) -> bool) -> Event {
        let mut log = self.log.subscribe();
        let waiting = log.wait_for(|events| events.iter().any(&matches));
        let Ok(found) = timeout(PATIENCE, waiting).await else {
            panic!("it did not happen; what did: {:#?}", self.log());
        };
        found
            .unwrap()
            .iter()
            .find(|event| matches(event))
            .cloned()
            .unwrap()
    }

    /// Waits until a proxy serves a watermark.
    pub(crate) async fn serves(&self, watermark: u64) {
        self.saw(|event| *event == Event::Serving(watermark)).await;
    }
}
