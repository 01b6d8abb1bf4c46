//! What is measured: an Envoy with Portolan's configuration or with the plain list, nginx, HAProxy.

use std::{
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use portolan_sandbox::{Process, Sandbox, free_port};

use super::{
    backend::Backends,
    configuration::{Configuration, Form, service},
    control::Control,
    cores::{self, MEASURED},
    envoy::{Admin, Envoy},
    haproxy, nginx,
    table::{HEADER, Request, Table},
};
use crate::{client::Connection, process::resident_mib_of, routes::HOST};

/// Longest time until the first answer.
const LIMIT: Duration = Duration::from_secs(60);

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Envoy.
    Envoy(Form),
    /// nginx.
    Nginx,
    /// HAProxy.
    HaProxy,
}

/// One that runs, with a table.
pub(crate) struct Contestant {
    /// Where it listens.
    pub(crate) listener: SocketAddr,
    /// From its table to its first answer; for nginx and HAProxy with their start.
    pub(crate) loading: Duration,
    /// What an Envoy can be changed with.
    pub(crate) driver: Option<Driver>,
    process: Process,
}

/// An Envoy's control plane.
pub(crate) struct Driver {
    /// Gives it configuration.
    pub(crate) control: Control,
    /// Makes it.
    pub(crate) configuration: Configuration,
    /// Asks it about itself.
    pub(crate) admin: Admin,
}

impl Contestant {
    /// Starts one, gives it the table, and waits until it serves the last route.
    pub(crate) async fn start(
        sandbox: &Sandbox,
        kind: Kind,
        table: &Table,
        backends: &Backends,
    ) -> anyhow::Result<Self> {
        let listener = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let to = backends.addresses;
        let last = table.request(table.rules.len() - 1);
        let folder = sandbox.folder().join("contestant");
        fs::create_dir_all(&folder)?;
        let mut contestant = match kind {
            Kind::Envoy(form) => {
                let mut control = Control::start().await?;
                let envoy = Envoy::start(sandbox, "envoy", &control)?;
                let empty = Table { rules: Vec::new() };
                let mut configuration = Configuration::new(&empty, form, listener, to)?;
                // So that loading is all that is measured then.
                control.give(configuration.snapshot()?).await?;
                configuration.add(table)?;
                let snapshot = configuration.snapshot()?;
                let start = Instant::now();
                control.give(snapshot).await?;
                Self {
                    listener,
                    loading: start.elapsed(),
                    driver: Some(Driver {
                        control,
                        configuration,
                        admin: envoy.admin,
                    }),
                    process: envoy.process,
                }
            }
            Kind::Nginx | Kind::HaProxy => {
                let (binary, args) = if kind == Kind::Nginx {
                    let servers = nginx::gateway(table, listener, to);
                    (nginx::binary()?, nginx::files(&folder, &servers)?)
                } else {
                    let args = haproxy::files(&folder, table, listener, to)?;
                    (haproxy::BINARY.into(), args)
                };
                let start = Instant::now();
                let process = cores::start(sandbox, "contestant", &binary, &args, MEASURED)?;
                let mut contestant = Self {
                    listener,
                    loading: Duration::ZERO,
                    driver: None,
                    process,
                };
                contestant.answers(&last).await?;
                contestant.loading = start.elapsed();
                contestant
            }
        };
        contestant.answers(&last).await?;
        Ok(contestant)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        self.process.pid().context("it has ended")
    }

    /// Resident memory in MiB.
    pub(crate) fn resident_mib(&self) -> anyhow::Result<f64> {
        resident_mib_of(self.pid()?)
    }

    /// Waits until a request is answered by the service of its route.
    pub(crate) async fn answers(&mut self, request: &Request) -> anyhow::Result<()> {
        let start = Instant::now();
        let header = request.with_header.then_some(HEADER);
        loop {
            self.process.check()?;
            let answer = async {
                let mut connection = Connection::open(self.listener, HOST).await?;
                connection.get_with(&request.path, header).await
            };
            let answer = answer.await;
            let told = answer.as_ref().ok().and_then(|one| one.service.as_deref());
            if told == Some(service(request.route)) {
                return Ok(());
            }
            ensure!(
                start.elapsed() < LIMIT,
                "{request:?} was answered by {told:?}"
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        Ok(self.process.kill().await?)
    }
}
