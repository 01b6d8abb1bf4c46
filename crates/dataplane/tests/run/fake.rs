//! A zone, an Envoy and its admin interface that do as they are told.

use std::{
    collections::VecDeque,
    fs,
    future::Future,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use portolan_dataplane::{
    bootstrap::{self, ADMIN_SOCKET, Settings},
    envoy::{Envoy, Version},
    run::{Phase, RunConfig, RunError, run},
};
use portolan_identity::{
    ca::{Authority, IssuedCertificate},
    tls::{self, Trust},
};
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream, UnixListener},
    sync::watch,
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

pub(crate) const DATAPLANE: &str = "
type: Dataplane
mesh: default
name: {{ name }}
networking:
  address: 127.0.0.1
  gateway: {type: BUILTIN, tags: {kuma.io/service: edge}}
";

/// Runs until it gets SIGTERM, which it notes.
pub(crate) const OBEDIENT: &str = "while :; do sleep 0.05; done";

/// Waits for a condition.
pub(crate) async fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1000 {
        if let Some(value) = condition() {
            return value;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain for {what}");
}

/// The trap comes first, so that whoever sees the start may send SIGTERM.
const PREAMBLE: &str = r#"log="${0%/*}/log"
trap 'echo term >> "$log"; exit 0' TERM
echo "start $$ $*" >> "$log""#;

/// A folder with a script that stands for Envoy.
pub(crate) struct Machine {
    folder: TempDir,
}

impl Machine {
    /// `body` is what the script does after it has noted its process id and arguments.
    pub(crate) fn new(body: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = format!("#!/bin/sh\n{PREAMBLE}\n{body}\n");
        let path = folder.path().join("envoy");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(folder.path().join("work")).unwrap();
        Self { folder }
    }

    pub(crate) fn work_dir(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Lines that the scripts wrote.
    pub(crate) fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Process ids of the scripts that were started.
    pub(crate) fn started(&self) -> Vec<u32> {
        let log = self.log();
        let pids = log
            .iter()
            .filter_map(|line| line.strip_prefix("start ")?.split(' ').next());
        pids.map(|pid| pid.parse().unwrap()).collect()
    }

    /// Waits until so many scripts have noted that they were started.
    pub(crate) async fn until_started(&self, count: usize) -> Vec<u32> {
        until("a start", || {
            Some(self.started()).filter(|pids| pids.len() >= count)
        })
        .await
    }

    pub(crate) fn config(&self, zone_url: &str) -> RunConfig {
        config(self.folder.path(), zone_url)
    }
}

/// The configuration of a run whose Envoy and folder are in `folder`.
pub(crate) fn config(folder: &Path, zone_url: &str) -> RunConfig {
    let version = Version {
        number: "1.40.0".into(),
        build: "a/1.40.0/b/c/d".into(),
    };
    RunConfig {
        zone_url: zone_url.to_owned(),
        trust: Trust::Insecure,
        proxy_type: Default::default(),
        dataplane: DATAPLANE.to_owned(),
        variables: [("name".to_owned(), "gw-1".to_owned())].into(),
        token: Some("the-token".into()),
        envoy: Envoy {
            path: folder.join("envoy"),
            version,
        },
        work_dir: Some(folder.join("work")),
        drain_time: Duration::from_secs(30),
        drain_delay: Duration::ZERO,
        concurrency: Some(1),
        max_heap_bytes: 0,
        log_level: "warning".to_owned(),
    }
}

/// Whether a process runs; one that has ended and that nobody has waited for does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('Z'))
    })
}

/// A run in the background.
pub(crate) struct Running {
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) cancel: CancellationToken,
    pub(crate) task: JoinHandle<Result<(), RunError>>,
}

impl Running {
    pub(crate) fn start(config: RunConfig) -> Self {
        let (sender, phase) = watch::channel(Phase::default());
        let cancel = CancellationToken::new();
        let task = tokio::spawn(run(config, sender, cancel.clone()));
        Self {
            phase,
            cancel,
            task,
        }
    }

    /// Waits until Envoy serves; returns its process id.
    pub(crate) async fn live(&mut self) -> u32 {
        let live = self
            .phase
            .wait_for(|phase| matches!(phase, Phase::Live { .. }));
        match &*within(live).await.unwrap() {
            Phase::Live { pid, .. } => *pid,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn ended(self) -> Result<(), RunError> {
        within(self.task).await.unwrap()
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(15), future)
        .await
        .expect("it takes too long")
}

/// An admin interface.
#[derive(Clone, Default)]
pub(crate) struct Admin {
    /// Whether Envoy serves.
    pub(crate) ready: Arc<AtomicBool>,
    /// Open connections.
    pub(crate) connections: Arc<AtomicU64>,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Admin {
    /// Serves in a run's folder, and says that Envoy is ready.
    pub(crate) fn serve(work_dir: &Path) -> Self {
        let admin = Self::default();
        admin.ready.store(true, SeqCst);
        let listener = UnixListener::bind(work_dir.join(ADMIN_SOCKET)).unwrap();
        let router = Router::new().fallback(answer).with_state(admin.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        admin
    }

    /// What was asked for, `/ready` left out.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

async fn answer(State(admin): State<Admin>, request: Request) -> Response {
    let path = request.uri().path();
    if path == "/ready" {
        let ready = admin.ready.load(SeqCst);
        return if ready {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        }
        .into_response();
    }
    let query = request
        .uri()
        .query()
        .filter(|_| path != "/stats")
        .map(|query| format!("?{query}"));
    let call = format!("{} {path}{}", request.method(), query.unwrap_or_default());
    admin.calls.lock().unwrap().push(call);
    let open = admin.connections.load(SeqCst);
    format!("listener.127.0.0.1_80.downstream_cx_active: {open}\n").into_response()
}

/// A zone's data plane port.
#[derive(Clone)]
pub(crate) struct Zone {
    /// Where it is.
    pub(crate) url: String,
    /// What it answers instead of a bootstrap, one answer for each request.
    refusals: Arc<Mutex<VecDeque<(u16, &'static str)>>>,
    /// The requests that came.
    pub(crate) requests: Arc<Mutex<Vec<bootstrap::Request>>>,
}

impl Zone {
    /// Serves without TLS.
    pub(crate) async fn serve(refusals: &[(u16, &'static str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let zone = Self::at(
            format!("http://{}", listener.local_addr().unwrap()),
            refusals,
        );
        let router = zone.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        zone
    }

    /// Serves with TLS.
    pub(crate) async fn serve_tls(shown: &IssuedCertificate) -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let zone = Self::at(format!("https://{}", tcp.local_addr().unwrap()), &[]);
        let config =
            tls::server_config(&shown.cert_pem, &shown.key_pem, &["h2", "http/1.1"]).unwrap();
        let listener = TlsListener {
            tcp,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        };
        let router = zone.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        zone
    }

    fn at(url: String, refusals: &[(u16, &'static str)]) -> Self {
        let refusals = refusals.iter().copied().collect::<VecDeque<_>>();
        Self {
            url,
            refusals: Arc::new(Mutex::new(refusals)),
            requests: Arc::default(),
        }
    }

    fn router(&self) -> Router {
        Router::new()
            .route("/bootstrap", post(bootstrap))
            .with_state(self.clone())
    }
}

async fn bootstrap(
    State(zone): State<Zone>,
    Json(request): Json<bootstrap::Request>,
) -> (StatusCode, String) {
    zone.requests.lock().unwrap().push(request.clone());
    if let Some((status, text)) = zone.refusals.lock().unwrap().pop_front() {
        return (StatusCode::from_u16(status).unwrap(), text.to_owned());
    }
    let folder = tempfile::tempdir().unwrap();
    let ca_pem = Authority::load_or_create(folder.path())
        .unwrap()
        .cert_pem()
        .to_owned();
    let settings = Settings {
        ca_pem,
        ..Settings::default()
    };
    let answer = bootstrap::render(&request, &settings, "127.0.0.1").unwrap();
    (StatusCode::OK, answer.yaml)
}

struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.tcp.accept().await.unwrap();
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}
