//! Hosts that run as many gateway instances as their zone assigns to them.

use std::{fs, net::IpAddr};

use crate::{Process, Sandbox, SandboxError, Zone};

/// One pool.
#[derive(Clone, Debug)]
pub struct PoolOptions {
    /// Its name.
    pub name: String,
    /// Where the listeners of its gateways listen.
    pub address: IpAddr,
    /// How long connections may take to end, as in `5s`.
    pub drain_time: String,
}

/// A running `portolan dp pool`; its Envoys are its children.
#[derive(Debug)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// The process.
    pub process: Process,
}

impl Sandbox {
    /// Starts a pool for mesh `default`; it has not yet joined its zone when this returns.
    pub async fn pool(&self, zone: &Zone, options: &PoolOptions) -> Result<Pool, SandboxError> {
        let name = &options.name;
        let folder = self.folder().join(name);
        fs::create_dir_all(&folder)?;
        let token_file = folder.join("token");
        fs::write(&token_file, zone.pool_token("default").await?)?;
        let args = [
            "dp",
            "pool",
            "--zone",
            &zone.data_plane_url,
            "--ca-cert",
            &zone.ca().display().to_string(),
            "--token-file",
            &token_file.display().to_string(),
            "--name",
            name,
            "--address",
            &options.address.to_string(),
            "--work-dir",
            &folder.display().to_string(),
            "--drain-time",
            &options.drain_time,
            "--concurrency",
            "1",
        ];
        let envoy = self
            .envoy
            .iter()
            .map(|path| ("ENVOY_BIN", path.display().to_string()));
        let environment: Vec<_> = envoy.collect();
        let log = self.folder().join(format!("{name}.log"));
        let process = Process::start(name, self.binary(), args, &environment, log)?;
        Ok(Pool {
            name: name.clone(),
            process,
        })
    }
}
