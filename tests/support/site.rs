//! A zone whose gateways are scaled over pools.

use std::{net::IpAddr, process::Output};

use portolan_sandbox::{Echo, Global, Pool, PoolOptions, Sandbox, Zone, free_port, until};
use serde_json::{Value, json};

use super::{LIMIT, global, mesh_gateway, route, route_url, sandbox, zone};

const INSTANCE: &str = "/meshes/default/meshgatewayinstances/edge-gateway";

/// A global and a zone with a service, a gateway on a free port with a route to the service, and a
/// MeshGatewayInstance.
pub struct Site {
    pub sandbox: Sandbox,
    pub global: Global,
    pub zone: Zone,
    pub port: u16,
    _echo: Echo,
}

impl Site {
    pub async fn start(replicas: u32) -> Self {
        let sandbox = sandbox();
        let global = global(&sandbox).await;
        let zone = zone(&sandbox, "zone-1", &global).await;
        let echo = sandbox.echo("api-1", "api").await.unwrap();
        zone.register("default", "api-1", "api", echo.address)
            .await
            .unwrap();
        let port = free_port().unwrap();
        let gateway = mesh_gateway(port);
        let edge = "/meshes/default/meshgateways/edge";
        global.http.put(edge, &gateway).await.unwrap();
        let api = route("api", "/api", "api");
        global.http.put(&route_url("api"), &api).await.unwrap();
        let instance = json!({
            "type": "MeshGatewayInstance",
            "mesh": "default",
            "name": "edge-gateway",
            "replicas": 0,
            "zoneReplicas": { "zone-1": replicas },
            "tags": { "kuma.io/service": "edge-gateway" },
        });
        global.http.put(INSTANCE, &instance).await.unwrap();
        Self {
            sandbox,
            global,
            zone,
            port,
            _echo: echo,
        }
    }

    pub async fn pool(&self, name: &str, address: IpAddr) -> Pool {
        let options = PoolOptions {
            name: name.to_owned(),
            address,
            drain_time: "5s".to_owned(),
        };
        self.sandbox.pool(&self.zone, &options).await.unwrap()
    }

    pub async fn scaled(&self, count: u64) {
        let scaled = self.global.scaled("zone-1", "edge-gateway", count);
        scaled.await.unwrap();
    }

    /// `portolan` with these arguments, to its end.
    pub async fn run(&self, args: &[&str]) -> Output {
        let mut command = tokio::process::Command::new(self.sandbox.binary());
        command
            .args(args)
            .env("PORTOLAN_URL", self.global.http.base());
        command.output().await.unwrap()
    }

    /// Scales with the command line, and waits as it does.
    pub async fn scale(&self, replicas: &str) {
        let scale = [
            "scale",
            "edge-gateway",
            "--zone",
            "zone-1",
            "--replicas",
            replicas,
        ];
        let output = self.run(&[&scale[..], &["--wait"]].concat()).await;
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{told}{output:?}");
        let reached = format!("zone-1: {replicas} of {replicas} ready, {replicas} running");
        assert!(told.contains(&reached), "{told}");
    }

    /// Limits the memory of each instance.
    pub async fn limit_memory(&self, memory: &str) {
        let mut instance = self.global.http.get(INSTANCE).await.unwrap();
        instance["resources"]["limits"]["memory"] = memory.into();
        self.global.http.put(INSTANCE, &instance).await.unwrap();
    }

    /// The names of the instances that are connected.
    pub async fn instances(&self) -> Vec<String> {
        let status = self.global.status().await.unwrap();
        let zones = status["zones"].as_array().unwrap().iter();
        let instances = zones.flat_map(|zone| zone["instances"].as_array().unwrap());
        let names = instances.map(|instance| instance["name"].as_str().unwrap().to_owned());
        names.collect()
    }

    /// Waits until these are.
    pub async fn becomes(&self, names: &[&str]) {
        until(&format!("instances {names:?}"), LIMIT, async || {
            (self.instances().await == names).then_some(())
        })
        .await
        .unwrap();
    }

    /// How many instances each pool has, by the zone's Dataplanes.
    pub async fn spread(&self, pools: &[&str]) -> Vec<usize> {
        let dataplanes = self.zone.http.get("/dataplanes?size=1000").await.unwrap();
        let names: Vec<_> = dataplanes["items"].as_array().unwrap().iter().collect();
        let of = |pool: &&str| {
            let ends = |item: &&&Value| {
                item["name"]
                    .as_str()
                    .unwrap()
                    .ends_with(&format!(".{pool}"))
            };
            names.iter().filter(ends).count()
        };
        pools.iter().map(of).collect()
    }

    pub async fn becomes_spread(&self, pools: &[&str], expected: &[usize]) {
        let what = format!("{expected:?} instances on {pools:?}");
        until(&what, LIMIT, async || {
            (self.spread(pools).await == expected).then_some(())
        })
        .await
        .unwrap();
    }
}
