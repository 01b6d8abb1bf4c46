//! A global, a zone and gateway instances as they are run, all of them `portolan`.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use portolan_sandbox::{
    Echo, Gateway, GatewayOptions, Global, GlobalOptions, Sandbox, Zone, ZoneOptions, free_port,
    until,
};
use serde_json::{Value, json};

use crate::routes::{self, SERVICES};

/// Longest time until the zone has what the global has.
const LIMIT: Duration = Duration::from_secs(60);

/// One zone with a gateway's resources, and no instance yet.
pub(crate) struct Site<'a> {
    /// The zone.
    pub(crate) zone: Zone,
    /// Where instances of the gateway listen.
    pub(crate) listener: SocketAddr,
    /// Its global.
    pub(crate) global: Global,
    sandbox: &'a Sandbox,
    _service: Echo,
}

impl<'a> Site<'a> {
    /// Starts it; `gateway` makes the MeshGateway for a port.
    pub(crate) async fn start(
        sandbox: &'a Sandbox,
        name: &str,
        gateway: impl FnOnce(u16) -> Value,
    ) -> anyhow::Result<Self> {
        let options = GlobalOptions {
            name: format!("global-{name}"),
            ..GlobalOptions::default()
        };
        let global = sandbox.global(&options).await?;
        let zone = sandbox
            .zone(name, &[&global], &ZoneOptions::default())
            .await?;
        global.zones_online(&[name]).await?;
        let service = sandbox.echo(&format!("echo-{name}"), SERVICES[0]).await?;
        zone.register("default", SERVICES[0], SERVICES[0], service.address)
            .await?;
        let listener = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), free_port()?);
        let edge = "/meshes/default/meshgateways/edge";
        global.http.put(edge, &gateway(listener.port())).await?;
        Ok(Self {
            zone,
            listener,
            global,
            sandbox,
            _service: service,
        })
    }

    /// Writes routes, and waits until the zone has them.
    pub(crate) async fn fill(&self, count: usize) -> anyhow::Result<()> {
        let numbers: Vec<_> = (0..count).collect();
        for page in numbers.chunks(2000) {
            let resources = page.iter();
            let resources: Vec<_> = resources
                .map(|number| routes::route(*number, SERVICES[0]))
                .collect();
            let body = json!({ "resources": resources });
            self.global.http.post("/_apply", &body).await?;
        }
        let http = &self.zone.http;
        until("all routes in the zone", LIMIT, async || {
            let page = http.get("/meshgatewayroutes?size=1").await.ok()?;
            (page["total"].as_u64()? >= count as u64).then_some(())
        })
        .await?;
        Ok(())
    }

    /// Starts an instance; all of them share the port.
    pub(crate) async fn instance(&self, name: &str) -> anyhow::Result<Gateway> {
        let options = GatewayOptions {
            name: name.to_owned(),
            mesh: "default".to_owned(),
            address: self.listener.ip(),
            service: "edge-gateway".to_owned(),
        };
        Ok(self.sandbox.gateway(&self.zone, &options).await?)
    }
}
