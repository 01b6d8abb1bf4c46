//! Gateway instances and echo services.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use crate::{Http, Process, Sandbox, SandboxError, Zone, free_port, until};

/// One BUILTIN gateway instance.
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// Name of the Dataplane.
    pub name: String,
    /// Its mesh.
    pub mesh: String,
    /// Where the listeners listen.
    pub address: IpAddr,
    /// Its `kuma.io/service`.
    pub service: String,
}

/// A running `portolan dp run` with its Envoy.
#[derive(Debug)]
pub struct Gateway {
    /// Name of the Dataplane.
    pub name: String,
    /// The process of `dp run`; Envoy is its child.
    pub process: Process,
    /// When that was started.
    pub started: Instant,
    /// Where Envoy's admin listens (a Unix socket).
    pub admin: PathBuf,
    /// The signals of `dp run`: `/healthz`, `/readyz`, `/metrics`.
    pub diagnostics: Http,
}

/// A running echo service.
#[derive(Debug)]
pub struct Echo {
    /// What its answers say who they come from.
    pub service: String,
    /// The process.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Sandbox {
    /// Starts a BUILTIN gateway instance; it is not yet connected when this returns.
    pub async fn gateway(
        &self,
        zone: &Zone,
        options: &GatewayOptions,
    ) -> Result<Gateway, SandboxError> {
        let networking = json!({
            "address": options.address.to_string(),
            "gateway": { "type": "BUILTIN", "tags": { "kuma.io/service": options.service } },
        });
        self.proxy(zone, &options.mesh, &options.name, &networking)
            .await
    }

    /// Starts the proxy of a Dataplane with this `networking`; it is not yet connected when this returns.
    pub async fn proxy(
        &self,
        zone: &Zone,
        mesh: &str,
        name: &str,
        networking: &Value,
    ) -> Result<Gateway, SandboxError> {
        let token = zone.token(mesh, name).await?;
        let dataplane = json!({
            "type": "Dataplane",
            "mesh": mesh,
            "name": name,
            "networking": networking,
        });
        self.run(zone, name, ("dataplane", &dataplane), &token)
    }

    /// Starts the proxy that lets other zones into this one, at an address of this machine; it is not yet
    /// connected when this returns. `token` is for its zone, with scope `ingress`.
    pub fn ingress(
        &self,
        zone: &Zone,
        name: &str,
        address: SocketAddr,
        token: &str,
    ) -> Result<Gateway, SandboxError> {
        let (host, port) = (address.ip().to_string(), address.port());
        let ingress = json!({
            "type": "ZoneIngress",
            "name": name,
            "networking": {
                "address": host, "port": port,
                "advertisedAddress": host, "advertisedPort": port,
            },
        });
        self.run(zone, name, ("ingress", &ingress), token)
    }

    /// Starts a proxy of a type, with the resource that it brings.
    fn run(
        &self,
        zone: &Zone,
        name: &str,
        (proxy_type, resource): (&str, &Value),
        token: &str,
    ) -> Result<Gateway, SandboxError> {
        let folder = self.folder().join(name);
        fs::create_dir_all(&folder)?;
        let token_file = folder.join("token");
        fs::write(&token_file, token)?;
        let dataplane_file = folder.join("dataplane.json");
        fs::write(&dataplane_file, resource.to_string())?;
        let diagnostics = format!("127.0.0.1:{}", free_port()?);
        let args = [
            "dp",
            "run",
            "--proxy-type",
            proxy_type,
            "--zone",
            &zone.data_plane_url,
            "--ca-cert",
            &zone.ca().display().to_string(),
            "--dataplane-file",
            &dataplane_file.display().to_string(),
            "--token-file",
            &token_file.display().to_string(),
            "--work-dir",
            &folder.display().to_string(),
            "--diagnostics-bind",
            &diagnostics,
            "--drain-time",
            "1s",
            "--concurrency",
            "1",
        ];
        let log = self.folder().join(format!("{name}.log"));
        let envoy = self
            .envoy
            .iter()
            .map(|path| ("ENVOY_BIN", path.display().to_string()));
        let environment: Vec<_> = envoy.collect();
        let started = Instant::now();
        let process = Process::start(name, self.binary(), args, &environment, log)?;
        Ok(Gateway {
            started,
            name: name.to_owned(),
            process,
            admin: folder.join("kuma-envoy-admin.sock"),
            diagnostics: Http::new(format!("http://{diagnostics}")),
        })
    }

    /// Starts an echo service on a free port and waits until it answers.
    pub async fn echo(&self, name: &str, service: &str) -> Result<Echo, SandboxError> {
        self.echo_with(name, service, &[]).await
    }

    /// As [`echo`](Self::echo), with each answer of this number a 503.
    pub async fn failing_echo(
        &self,
        name: &str,
        service: &str,
        every: u64,
    ) -> Result<Echo, SandboxError> {
        let flags = ["--fail-every", &every.to_string()];
        self.echo_with(name, service, &flags).await
    }

    async fn echo_with(
        &self,
        name: &str,
        service: &str,
        flags: &[&str],
    ) -> Result<Echo, SandboxError> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let bind = address.to_string();
        let mut args = vec!["echo", "--service", service, "--bind", &bind];
        args.extend(flags);
        let log = self.folder().join(format!("{name}.log"));
        let mut process = Process::start(name, self.binary(), args, &[], log)?;
        let what = format!("{name} answering on {address}");
        process
            .ready(&what, async || {
                tokio::net::TcpStream::connect(address).await.ok()
            })
            .await?;
        Ok(Echo {
            service: service.to_owned(),
            process,
            address,
        })
    }
}

impl Gateway {
    /// Waits until its Envoy listens on a port.
    pub async fn listening(&mut self, port: u16) -> Result<(), SandboxError> {
        let what = format!("{} listening on port {port}", self.name);
        let admin = self.admin.clone();
        let address = format!(":{port}");
        self.process
            .ready(&what, async || {
                let listeners = admin_get(&admin, "/listeners").await.ok()?;
                listeners.contains(&address).then_some(())
            })
            .await
    }

    /// What its Envoy answers on its admin interface.
    pub async fn admin(&self, path: &str) -> Result<String, SandboxError> {
        Ok(admin_get(&self.admin, path).await?)
    }
}

/// What an Envoy answers on its admin interface, a Unix socket: head and body.
pub async fn admin_get(socket: &Path, path: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

impl Zone {
    /// Makes an address a member of a service: registers a Dataplane for it, as soon as the zone has the mesh.
    pub async fn register(
        &self,
        mesh: &str,
        name: &str,
        service: &str,
        address: SocketAddr,
    ) -> Result<(), SandboxError> {
        let dataplane = json!({
            "type": "Dataplane",
            "mesh": mesh,
            "name": name,
            "networking": {
                "address": address.ip().to_string(),
                "inbound": [{
                    "port": address.port(),
                    "tags": { "kuma.io/service": service, "kuma.io/protocol": "http" },
                }],
            },
        });
        let what = format!("{} having mesh {mesh}", self.name);
        until(&what, Duration::from_secs(30), async || {
            self.http.get(&format!("/meshes/{mesh}")).await.ok()
        })
        .await?;
        self.http
            .put(&format!("/meshes/{mesh}/dataplanes/{name}"), &dataplane)
            .await?;
        Ok(())
    }
}
