//! Envoy takes every golden configuration, and those that the documentation shows.

use std::{env, fs, process::Command};

use envoy_types::pb::envoy::{
    config::{
        bootstrap::v3::{Bootstrap, LayeredRuntime, bootstrap::StaticResources},
        cluster::v3::Cluster,
        core::v3::{Address, address, socket_address::PortSpecifier},
        listener::v3::Listener,
    },
    extensions::transport_sockets::tls::v3::Secret,
};
use portolan_gateway::Compiled;
use prost::Message;
use tempfile::TempDir;

use super::bootstrap::{self, static_resources};
use crate::{documented, golden};

#[test]
fn envoy_takes_every_golden_configuration_and_every_documented_one() {
    let Some(binary) = env::var_os("ENVOY_BIN") else {
        return;
    };
    let mut batches: Vec<Batch> = Vec::new();
    for (name, compiled) in golden::cases().into_iter().chain(documented::cases()) {
        if !batches.iter_mut().any(|batch| batch.take(&name, &compiled)) {
            let mut batch = Batch::default();
            assert!(batch.take(&name, &compiled));
            batches.push(batch);
        }
    }
    let folder = TempDir::new().unwrap();
    for (position, Batch(resources)) in batches.into_iter().enumerate() {
        let bootstrap = Bootstrap {
            static_resources: Some(resources),
            layered_runtime: Some(LayeredRuntime {
                layers: vec![bootstrap::regexes_of_any_size()],
            }),
            ..Bootstrap::default()
        };
        let file = folder.path().join(format!("{position}.pb"));
        fs::write(&file, bootstrap.encode_to_vec()).unwrap();
        let output = Command::new(&binary)
            .args([
                "--mode",
                "validate",
                "--use-dynamic-base-id",
                "-l",
                "warn",
                "-c",
            ])
            .arg(&file)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
}

/// Configurations that do not get in each other's way, so that one Envoy can look at all.
#[derive(Default)]
struct Batch(StaticResources);

impl Batch {
    /// Takes a configuration in, unless something of the same name has another content.
    fn take(&mut self, case: &str, compiled: &Compiled) -> bool {
        let Self(all) = self;
        let mut new = static_resources(compiled);
        let same = |cluster: &Cluster| {
            let mut known = all.clusters.iter();
            known.all(|known| known.name != cluster.name || known == cluster)
        };
        let same_secret = |secret: &Secret| {
            let mut known = all.secrets.iter();
            known.all(|known| known.name != secret.name || known == secret)
        };
        if !new.clusters.iter().all(same) || !new.secrets.iter().all(same_secret) {
            return false;
        }
        new.clusters
            .retain(|cluster| !all.clusters.contains(cluster));
        new.secrets.retain(|secret| !all.secrets.contains(secret));
        all.clusters.append(&mut new.clusters);
        all.secrets.append(&mut new.secrets);
        for listener in new.listeners {
            let port = 1024 + u32::try_from(all.listeners.len()).unwrap();
            all.listeners.push(renamed(listener, case, port));
        }
        true
    }
}

/// Nothing refers to a listener, so it may have another name and port.
fn renamed(mut listener: Listener, case: &str, port: u32) -> Listener {
    listener.name = format!("{case}: {}", listener.name);
    if let Some(Address {
        address: Some(address::Address::SocketAddress(address)),
    }) = &mut listener.address
    {
        address.port_specifier = Some(PortSpecifier::PortValue(port));
    }
    listener
}
