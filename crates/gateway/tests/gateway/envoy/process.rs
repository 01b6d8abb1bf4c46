//! An Envoy that runs with a compiled configuration, made static.

use std::{
    env, fs,
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use envoy_types::pb::{
    envoy::{
        config::{
            bootstrap::v3::{Bootstrap, bootstrap::StaticResources},
            cluster::v3::{
                Cluster,
                cluster::{ClusterDiscoveryType, DiscoveryType},
            },
            endpoint::v3::ClusterLoadAssignment,
            listener::v3::{Listener, filter::ConfigType},
            route::v3::RouteConfiguration,
        },
        extensions::filters::network::http_connection_manager::v3::{
            HttpConnectionManager, http_connection_manager::RouteSpecifier,
        },
    },
    google::protobuf::Any,
};
use portolan_gateway::{
    CLUSTER, CLUSTER_LOAD_ASSIGNMENT, Compiled, LISTENER, ROUTE_CONFIGURATION, ZoneView,
};
use prost::Message;
use tempfile::TempDir;

use super::http::Client;
use crate::support::dataplane;

/// How long Envoy may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A port that was free a moment ago.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
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
    _folder: TempDir,
}

impl Envoy {
    /// Starts one with the configuration of `gateway`, unless there is none in `ENVOY_BIN`.
    pub(super) fn start(view: &mut ZoneView, port: u16) -> Option<Self> {
        let binary = env::var_os("ENVOY_BIN")?;
        let compiled = view.compile(&dataplane("gateway")).unwrap();
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("bootstrap.pb");
        fs::write(&file, bootstrap(&compiled).encode_to_vec()).unwrap();
        let process = Command::new(binary)
            .arg("-c")
            .arg(&file)
            .args(["--use-dynamic-base-id", "--concurrency", "1", "-l", "warn"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut envoy = Self {
            process,
            port,
            _folder: folder,
        };
        envoy.wait();
        Some(envoy)
    }

    pub(super) fn client(&self) -> Client {
        Client::new(TcpStream::connect(("127.0.0.1", self.port)).unwrap())
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

fn bootstrap(compiled: &Compiled) -> Bootstrap {
    let resources = StaticResources {
        listeners: decoded(compiled, LISTENER)
            .map(|listener| with_static_routes(listener, compiled))
            .collect(),
        clusters: decoded(compiled, CLUSTER)
            .zip(decoded(compiled, CLUSTER_LOAD_ASSIGNMENT))
            .map(|(cluster, endpoints)| with_static_endpoints(cluster, endpoints))
            .collect(),
        ..StaticResources::default()
    };
    Bootstrap {
        static_resources: Some(resources),
        ..Bootstrap::default()
    }
}

fn decoded<'a, T: Message + Default>(
    compiled: &'a Compiled,
    type_url: &str,
) -> impl Iterator<Item = T> + use<'a, T> {
    compiled.resources[type_url]
        .values()
        .map(|resource| T::decode(resource.body.clone()).unwrap())
}

fn with_static_routes(mut listener: Listener, compiled: &Compiled) -> Listener {
    let filter = &mut listener.filter_chains[0].filters[0];
    let Some(ConfigType::TypedConfig(config)) = &mut filter.config_type else {
        panic!("no connection manager");
    };
    let mut manager = HttpConnectionManager::decode(&*config.value).unwrap();
    let Some(RouteSpecifier::Rds(rds)) = &manager.route_specifier else {
        panic!("no route table");
    };
    let table = &compiled.resources[ROUTE_CONFIGURATION][&*rds.route_config_name];
    let table = RouteConfiguration::decode(table.body.clone()).unwrap();
    manager.route_specifier = Some(RouteSpecifier::RouteConfig(table));
    *config = Any {
        type_url: config.type_url.clone(),
        value: manager.encode_to_vec(),
    };
    listener
}

fn with_static_endpoints(mut cluster: Cluster, endpoints: ClusterLoadAssignment) -> Cluster {
    cluster.cluster_discovery_type = Some(ClusterDiscoveryType::Type(DiscoveryType::Static.into()));
    cluster.eds_cluster_config = None;
    cluster.load_assignment = Some(endpoints);
    cluster
}
