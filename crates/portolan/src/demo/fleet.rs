//! The processes of the demo.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use anyhow::Context;
use portolan_dataplane::envoy::{self, Source};
use portolan_sandbox::{
    Echo, Gateway, GatewayOptions, Global, GlobalOptions, Pool, PoolOptions, Sandbox, Zone,
    ZoneOptions, free_port, loopback_with_free_port, postgres::Postgres,
};
use serde_json::json;

use super::{resources::PORT, say::Say};

/// Services behind the gateways of each zone.
const SERVICES: [&str; 2] = ["frontend", "api"];
/// Gateway instances of each zone.
const INSTANCES: usize = 2;

/// One zone and what runs in it.
pub(crate) struct Site {
    /// Its control plane.
    pub(crate) zone: Zone,
    /// Where its gateways listen.
    pub(crate) address: IpAddr,
    /// Its gateway instances.
    pub(crate) gateways: Vec<Gateway>,
    services: Vec<Echo>,
}

/// A service with a proxy before it, and a gateway in front, in a mesh of their own.
pub(crate) struct Member {
    /// Where the gateway listens.
    pub(crate) front: IpAddr,
    /// Where other members reach the service.
    pub(crate) back: SocketAddr,
    proxies: [Gateway; 2],
    service: Echo,
}

/// Everything that the demo runs; gone when it is dropped.
pub(crate) struct Fleet {
    /// Where it all lives.
    pub(crate) sandbox: Sandbox,
    /// The global.
    pub(crate) global: Global,
    /// The zones.
    pub(crate) sites: Vec<Site>,
    pools: Vec<Pool>,
    members: Vec<Member>,
    postgres: Option<Postgres>,
}

impl Fleet {
    /// Starts a global, two zones, their services and their gateways.
    pub(crate) async fn start(with_postgres: bool, say: &Say) -> anyhow::Result<Self> {
        say.step("Starting a global and two zones on loopback");
        let envoy = install_envoy(say).await?;
        let binary = std::env::current_exe().context("cannot find this program's file")?;
        let sandbox = Sandbox::new(binary)?.with_envoy(envoy);
        let (postgres, store) = store(with_postgres, say).await?;
        let global = sandbox
            .global(&GlobalOptions {
                store,
                ..GlobalOptions::default()
            })
            .await?;
        say.done(&format!(
            "global      REST {}  KDS {}",
            global.http.base(),
            global.kds
        ));
        let mut sites: Vec<Site> = Vec::new();
        for number in 1..=2_u8 {
            // Nobody listens on the address of the zone before yet.
            let first = sites.last().map_or(1, |site| third(site.address) + 1);
            sites.push(start_site(&sandbox, &global, number, first, say).await?);
        }
        global.instances_connected(sites.len() * INSTANCES).await?;
        say.done("both zones and all gateway instances are connected");
        Ok(Self {
            sandbox,
            global,
            sites,
            pools: Vec::new(),
            members: Vec::new(),
            postgres,
        })
    }

    /// Starts a pool of zone-1 on an address of its own; the address.
    pub(crate) async fn add_pool(&mut self) -> anyhow::Result<IpAddr> {
        let last = self.sites.last().map_or(0, |site| third(site.address));
        let address = loopback_with_free_port(last + 1, PORT)?;
        let options = PoolOptions {
            name: "host-1".to_owned(),
            address,
            drain_time: "10s".to_owned(),
        };
        let pool = self.sandbox.pool(&self.sites[0].zone, &options).await?;
        self.pools.push(pool);
        Ok(address)
    }

    /// Starts, in zone-1, a service as a member of a mesh and a gateway of that mesh.
    pub(crate) async fn add_member(&mut self, mesh: &str) -> anyhow::Result<&Member> {
        let last = self.sites.last().map_or(0, |site| third(site.address));
        // The pool may have taken the next address.
        let front = loopback_with_free_port(last + 2, PORT)?;
        let zone = &self.sites[0].zone;
        let service = self.sandbox.echo("bank-echo", "bank").await?;
        let back = SocketAddr::new(front, free_port()?);
        let networking = json!({
            "address": front.to_string(),
            "inbound": [{
                "port": back.port(), "servicePort": service.address.port(),
                "tags": { "kuma.io/service": "bank", "kuma.io/protocol": "http" },
            }],
        });
        let mut member = self
            .sandbox
            .proxy(zone, mesh, "bank-1", &networking)
            .await?;
        let options = GatewayOptions {
            name: "vault-1".to_owned(),
            mesh: mesh.to_owned(),
            address: front,
            service: "vault".to_owned(),
        };
        let mut gateway = self.sandbox.gateway(zone, &options).await?;
        member.listening(back.port()).await?;
        gateway.listening(PORT).await?;
        self.members.push(Member {
            front,
            back,
            proxies: [gateway, member],
            service,
        });
        let newest = self.members.last();
        newest.context("the member that was just added")
    }

    /// Starts, in zone-2 alone, a service as a member of a mesh, and the zone's ingress; the address of that
    /// mesh's gateway in zone-1.
    pub(crate) async fn add_elsewhere(&mut self, mesh: &str) -> anyhow::Result<IpAddr> {
        let zone = &self.sites[1].zone;
        let address = self.sites[1].address;
        let service = self
            .sandbox
            .failing_echo("archive-echo", "archive", 3)
            .await?;
        let back = free_port()?;
        let networking = json!({
            "address": address.to_string(),
            "inbound": [{
                "port": back, "servicePort": service.address.port(),
                "tags": { "kuma.io/service": "archive", "kuma.io/protocol": "http" },
            }],
        });
        let member = self.sandbox.proxy(zone, mesh, "archive-1", &networking);
        let mut member = member.await?;
        let token = self.global.token_for(&zone.name, "ingress").await?;
        let door = SocketAddr::new(address, free_port()?);
        let mut ingress = self.sandbox.ingress(zone, "ingress-2", door, &token)?;
        member.listening(back).await?;
        ingress.listening(door.port()).await?;
        let front = self.members.first().context("no member was added")?.front;
        self.members.push(Member {
            front,
            back: SocketAddr::new(address, back),
            proxies: [ingress, member],
            service,
        });
        Ok(front)
    }

    /// Starts one more instance in a zone.
    pub(crate) async fn add_gateway(&mut self, site: usize) -> anyhow::Result<()> {
        let Site {
            zone,
            address,
            gateways,
            ..
        } = &mut self.sites[site];
        let gateway = start_gateway(&self.sandbox, zone, *address, gateways.len() + 1).await?;
        gateways.push(gateway);
        Ok(())
    }

    /// Moves the logs to where they outlive the demo.
    pub(crate) fn keep_logs(&self, say: &Say) {
        let kept = std::env::temp_dir().join(format!("portolan-demo-logs-{}", std::process::id()));
        let copied = std::fs::create_dir_all(&kept).and_then(|()| self.copy_logs(&kept));
        if copied.is_ok() {
            say.detail(&format!(
                "the logs of all processes are in {}",
                kept.display()
            ));
        }
    }

    fn copy_logs(&self, kept: &std::path::Path) -> std::io::Result<()> {
        for entry in std::fs::read_dir(self.sandbox.folder())? {
            let path = entry?.path();
            if let (Some("log"), Some(name)) = (
                path.extension().and_then(|extension| extension.to_str()),
                path.file_name(),
            ) {
                std::fs::copy(&path, kept.join(name))?;
            }
        }
        Ok(())
    }

    /// Stops everything, the data planes first.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        for pool in &mut self.pools {
            pool.process.stop().await?;
        }
        for member in &mut self.members {
            for proxy in &mut member.proxies {
                proxy.process.stop().await?;
            }
            member.service.process.stop().await?;
        }
        for site in &mut self.sites {
            for gateway in &mut site.gateways {
                gateway.process.stop().await?;
            }
            for service in &mut site.services {
                service.process.stop().await?;
            }
            site.zone.process.stop().await?;
        }
        self.global.process.stop().await?;
        if let Some(postgres) = &mut self.postgres {
            postgres.stop().await?;
        }
        Ok(())
    }
}

async fn store(
    with_postgres: bool,
    say: &Say,
) -> anyhow::Result<(Option<Postgres>, Option<String>)> {
    if !with_postgres {
        return Ok((None, None));
    }
    if let Ok(url) = std::env::var("DATABASE_URL") {
        say.done("Postgres    of $DATABASE_URL");
        return Ok((None, Some(url)));
    }
    let postgres = Postgres::start().await?;
    let url = postgres.url();
    say.done(&format!("Postgres    {url}"));
    Ok((Some(postgres), Some(url)))
}

async fn install_envoy(say: &Say) -> anyhow::Result<PathBuf> {
    let source = Source::from_environment(None, None);
    let envoy = envoy::find_or_install(&source, &|step| say.detail(&step.to_string())).await?;
    say.done(&format!(
        "Envoy {}  {}",
        envoy.version.number,
        envoy.path.display()
    ));
    Ok(envoy.path)
}

async fn start_site(
    sandbox: &Sandbox,
    global: &Global,
    number: u8,
    first: u8,
    say: &Say,
) -> anyhow::Result<Site> {
    let name = format!("zone-{number}");
    let address = loopback_with_free_port(first, PORT)?;
    let zone = sandbox
        .zone(&name, &[global], &ZoneOptions::default())
        .await?;
    global.zones_online(&[&name]).await?;
    let mut services = Vec::new();
    for service in SERVICES {
        let instance = format!("{service}-{number}");
        let echo = sandbox.echo(&instance, service).await?;
        zone.register("default", &instance, service, echo.address)
            .await?;
        services.push(echo);
    }
    let mut gateways = Vec::new();
    for instance in 1..=INSTANCES {
        gateways.push(start_gateway(sandbox, &zone, address, instance).await?);
    }
    say.done(&format!(
        "{name}      REST {}  gateways on {address}:{PORT} (two Envoys), services {}",
        zone.http.base(),
        SERVICES.join(" and "),
    ));
    Ok(Site {
        zone,
        address,
        gateways,
        services,
    })
}

/// N of `127.0.N.1`.
fn third(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(address) => address.octets()[2],
        IpAddr::V6(_) => 0,
    }
}

async fn start_gateway(
    sandbox: &Sandbox,
    zone: &Zone,
    address: IpAddr,
    instance: usize,
) -> anyhow::Result<Gateway> {
    let options = GatewayOptions {
        name: format!("gw-{}-{instance}", zone.name.trim_start_matches("zone-")),
        mesh: "default".to_owned(),
        address,
        service: "edge-gateway".to_owned(),
    };
    Ok(sandbox.gateway(zone, &options).await?)
}
