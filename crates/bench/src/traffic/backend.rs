//! What all routes lead to: an nginx that answers at once, and says as whom.

use std::{fs, net::SocketAddr};

use portolan_sandbox::{Process, Sandbox, free_port};

use super::{
    cores::{self, OTHERS},
    nginx,
};
use crate::routes::SERVICES;

/// The backends of all services.
pub(crate) struct Backends {
    /// Of each service.
    pub(crate) addresses: [SocketAddr; 2],
    _process: Process,
}

impl Backends {
    /// Starts them in one process.
    pub(crate) async fn start(sandbox: &Sandbox) -> anyhow::Result<Self> {
        let ports = [free_port()?, free_port()?];
        let addresses = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let servers = SERVICES
            .into_iter()
            .zip(addresses)
            .map(|(service, address)| {
                format!(
                    "server {{
  listen {address};
  keepalive_requests 1000000000;
  add_header x-echo-service {service};
  location / {{ return 200 'ok'; }}
}}
"
                )
            });
        let folder = sandbox.folder().join("backends");
        fs::create_dir_all(&folder)?;
        let args = nginx::files(&folder, &servers.collect::<String>())?;
        let mut process = cores::start(sandbox, "backends", &nginx::binary()?, &args, OTHERS)?;
        for address in addresses {
            let connects = async || tokio::net::TcpStream::connect(address).await.ok();
            process.ready("the backends", connects).await?;
        }
        Ok(Self {
            addresses,
            _process: process,
        })
    }
}
