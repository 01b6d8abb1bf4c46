//! What a Dataplane is to gateways: one of their instances, or an instance of services behind them.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use portolan_model::{
    Labels, Resource, labels,
    tags::{PROTOCOL, SERVICE, Tags, ZONE},
};
use portolan_proto::mesh::{
    self,
    dataplane::networking::{Inbound, gateway::GatewayType, inbound::State},
};

use super::{outbound::DelegatedInstance, spoken::Spoken};
use crate::fault::{Fault, Reason};

/// One Dataplane.
#[derive(Debug, Default)]
pub struct Dataplane {
    /// What it is as a gateway instance, if it is one.
    pub gateway: Option<GatewayInstance>,
    /// The services that it offers.
    pub instances: Vec<Arc<Instance>>,
}

/// A gateway instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayInstance {
    /// Its proxy is the edge.
    Builtin(BuiltinInstance),
    /// Another proxy is the edge; its own stands between that one and the services.
    Delegated(Arc<DelegatedInstance>),
}

/// A BUILTIN gateway instance. Those that are equal get the same configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltinInstance {
    /// Its gateway tags, `kuma.io/zone` among them.
    pub tags: Tags,
    /// The address that its listeners bind to.
    pub address: String,
}

/// One instance of a service.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its tags, `kuma.io/zone` among them.
    pub tags: Tags,
    /// Where it is reached, or why it cannot be.
    pub address: Result<SocketAddr, Box<Fault>>,
    /// What is spoken with it.
    pub spoken: Spoken,
    /// Whether it takes requests now.
    pub healthy: bool,
    /// Whether its proxy has left the control plane: it may be gone, so that others are better.
    pub away: bool,
    /// The labels of its Dataplane.
    pub labels: Arc<Labels>,
}

impl Instance {
    /// The service that it is an instance of.
    pub fn service(&self) -> &str {
        self.tags.get(SERVICE).map_or("", String::as_str)
    }
}

impl Dataplane {
    /// What it is as an instance of a builtin gateway, if it is one.
    pub fn builtin(&self) -> Option<&BuiltinInstance> {
        match &self.gateway {
            Some(GatewayInstance::Builtin(builtin)) => Some(builtin),
            Some(GatewayInstance::Delegated(_)) | None => None,
        }
    }

    /// Says whether its proxy has left the control plane.
    pub fn set_away(&mut self, away: bool) {
        for instance in &mut self.instances {
            *instance = Arc::new(Instance {
                away,
                ..Instance::clone(instance)
            });
        }
    }

    /// Reads a resource of kind Dataplane. One of another zone, or one that cannot be read, is nothing
    /// to gateways of `zone`.
    pub fn read(resource: &Resource, zone: &str) -> Self {
        let elsewhere = resource
            .labels
            .get(labels::ZONE)
            .is_some_and(|label| label != zone);
        let networking = resource
            .spec_as::<mesh::Dataplane>()
            .ok()
            .and_then(|spec| spec.networking);
        let Some(networking) = networking.filter(|_| !elsewhere) else {
            return Self::default();
        };
        let outbound = networking.outbound;
        let gateway = networking.gateway.map(|gateway| match gateway.r#type() {
            GatewayType::Builtin => GatewayInstance::Builtin(BuiltinInstance {
                tags: in_zone(gateway.tags, zone),
                address: networking.address.clone(),
            }),
            GatewayType::Delegated => {
                let tags = in_zone(gateway.tags, zone);
                let address = &networking.address;
                let instance = DelegatedInstance::read(tags, address, outbound);
                GatewayInstance::Delegated(Arc::new(instance))
            }
        });
        let labels = Arc::new(resource.labels.clone());
        let instances = networking
            .inbound
            .into_iter()
            .enumerate()
            .map(|(position, inbound)| {
                // Others reach it where it says; else where it listens.
                let candidates = [
                    &networking.advertised_address,
                    &inbound.address,
                    &networking.address,
                ];
                let host = candidates.into_iter().find(|address| !address.is_empty());
                let address = socket_address(host.map_or("", String::as_str), inbound.port)
                    .map_err(|reason| Box::new(fault(resource, position, reason)));
                Arc::new(Instance {
                    healthy: is_healthy(&inbound),
                    spoken: spoken(&inbound),
                    away: false,
                    tags: in_zone(inbound.tags, zone),
                    address,
                    labels: labels.clone(),
                })
            });
        Self {
            gateway,
            instances: instances.collect(),
        }
    }
}

/// The zone is ours to say, whatever the author wrote.
pub(super) fn in_zone(mut tags: Tags, zone: &str) -> Tags {
    tags.insert(ZONE.to_owned(), zone.to_owned());
    tags
}

/// What is spoken with an inbound: what it says itself, else its tag.
pub(super) fn spoken(inbound: &Inbound) -> Spoken {
    let tag = inbound.tags.get(PROTOCOL);
    let protocol = Some(&inbound.protocol).filter(|protocol| !protocol.is_empty());
    Spoken::of(protocol.or(tag).map_or("", String::as_str))
}

fn is_healthy(inbound: &Inbound) -> bool {
    inbound.state() == State::Ready && inbound.health.as_ref().is_none_or(|health| health.ready)
}

fn socket_address(host: &str, port: u32) -> Result<SocketAddr, Reason> {
    let address: IpAddr = host.parse().map_err(|_| Reason::Address(host.to_owned()))?;
    let port = u16::try_from(port)
        .ok()
        .filter(|port| *port != 0)
        .ok_or(Reason::Port(port))?;
    Ok(SocketAddr::new(address, port))
}

fn fault(resource: &Resource, position: usize, reason: Reason) -> Fault {
    let field = format!("networking.inbound[{position}]");
    Fault {
        resource: resource.key.clone(),
        field,
        reason,
    }
}
