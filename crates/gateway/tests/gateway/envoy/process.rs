//! An Envoy that runs with a compiled configuration, made static.

use std::{
    env,
    ffi::OsStr,
    fs,
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use envoy_types::pb::envoy::config::bootstrap::v3::{Bootstrap, bootstrap::StaticResources};
use portolan_gateway::{Compiled, ZoneView};
use prost::Message;
use tempfile::TempDir;

use super::{bootstrap, http::Client};
use crate::support::dataplane;

/// How long Envoy may take for anything.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A port that is free, and that no backend is given.
pub(super) fn free_port() -> u16 {
    portolan_sandbox::free_port().unwrap()
}

/// A gateway for the hosts `*.test` on this port, `empty.test` without routes and `lonely.test` without
/// backends among them.
pub(super) fn edge(port: u16) -> String {
    format!(
        "
type: Dataplane
name: gateway
networking:
  address: 127.0.0.1
  gateway: {{type: BUILTIN, tags: {{kuma.io/service: edge}}}}
---
type: MeshGateway
name: edge
selectors: [{{match: {{kuma.io/service: edge}}}}]
conf:
  listeners:
  - {{port: {port}, protocol: HTTP, hostname: empty.test, tags: {{kuma.io/service: none}}}}
  - {{port: {port}, protocol: HTTP, hostname: '*.test'}}
---
type: MeshGatewayRoute
name: lonely
selectors: [{{match: {{kuma.io/service: edge}}}}]
conf: {{http: {{hostnames: [lonely.test], rules: [{{
  matches: [{{path: {{match: PREFIX, value: /}}}}],
  backends: [{{destination: {{kuma.io/service: nowhere}}}}]
}}]}}}}
"
    )
}

/// A running Envoy; ends with this value.
pub(super) struct Envoy {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl Envoy {
    /// Starts one with the configuration of `gateway`, unless there is none in `ENVOY_BIN`.
    pub(super) fn start(view: &mut ZoneView, port: u16) -> Option<Self> {
        Self::start_with(view, port, None)
    }

    /// The same, with this pipe for lines that go to collectors.
    pub(super) fn start_with(
        view: &mut ZoneView,
        port: u16,
        log_pipe: Option<&str>,
    ) -> Option<Self> {
        let binary = env::var_os("ENVOY_BIN")?;
        let compiled = view.compile_with(&dataplane("gateway"), log_pipe).unwrap();
        let folder = TempDir::new().unwrap();
        let bootstrap = bootstrap::with_certificates_in(&compiled, folder.path());
        bootstrap::write_certificates(&compiled, folder.path());
        Some(Self::run(&binary, folder, &bootstrap, port))
    }

    /// Starts one with this configuration, unless there is none in `ENVOY_BIN`.
    pub(super) fn start_static(resources: StaticResources, port: u16) -> Option<Self> {
        let binary = env::var_os("ENVOY_BIN")?;
        let bootstrap = Bootstrap {
            static_resources: Some(resources),
            ..Bootstrap::default()
        };
        let folder = TempDir::new().unwrap();
        Some(Self::run(&binary, folder, &bootstrap, port))
    }

    fn run(binary: &OsStr, folder: TempDir, bootstrap: &Bootstrap, port: u16) -> Self {
        let file = folder.path().join("bootstrap.pb");
        fs::write(&file, bootstrap.encode_to_vec()).unwrap();
        let process = Command::new(binary)
            .arg("-c")
            .arg(&file)
            // Without a name Envoy follows no files.
            .args(["--service-node", "gateway", "--service-cluster", "edge"])
            .args(["--file-flush-interval-msec", "50"])
            .args(["--use-dynamic-base-id", "--concurrency", "1", "-l", "warn"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut envoy = Self {
            process,
            port,
            folder,
        };
        envoy.wait();
        envoy
    }

    /// Replaces the certificates, and nothing else.
    pub(super) fn replace_certificates(&self, compiled: &Compiled) {
        bootstrap::write_certificates(compiled, self.folder.path());
    }

    pub(super) fn client(&self) -> Client<TcpStream> {
        Client::new(self.connect())
    }

    pub(super) fn connect(&self) -> TcpStream {
        self.connect_to(self.port)
    }

    /// Connects to another port than the first.
    pub(super) fn connect_to(&self, port: u16) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn wait(&mut self) {
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.process.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "Envoy refused the configuration: {ended:?}"
            );
            assert!(started.elapsed() < PATIENCE, "Envoy does not listen");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
