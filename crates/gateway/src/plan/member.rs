//! A member of the mesh: a Dataplane without gateway, whose proxy stands before an application.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use portolan_model::{
    Resource, labels,
    tags::{SERVICE, Tags},
};
use portolan_proto::mesh::{Dataplane, dataplane::networking::Inbound as Spec};

use super::{
    dataplane::{in_zone, spoken},
    outbound::DelegatedInstance,
    spoken::Spoken,
};
use crate::fault::Reason;

/// A member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where others reach it.
    pub address: Box<str>,
    /// Where it takes connections for its application, each address once.
    pub inbounds: Box<[Inbound]>,
    /// Where the application reaches other services: as a DELEGATED gateway does. Policies are chosen by
    /// the tags of the first inbound.
    pub outbound: Arc<DelegatedInstance>,
    /// Fields of its inbounds that had to be left out, and why.
    pub left_out: Box<[(String, Reason)]>,
}

/// One port of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// Where others reach it.
    pub at: SocketAddr,
    /// Where the application listens.
    pub application: SocketAddr,
    /// What is spoken with it.
    pub spoken: Spoken,
    /// Its tags, `kuma.io/zone` among them.
    pub tags: Tags,
}

impl Member {
    /// Reads a resource of kind Dataplane; nothing if it is a gateway, or of another zone.
    pub fn read(resource: &Resource, zone: &str) -> Option<Self> {
        let label = resource.labels.get(labels::ZONE);
        let spec: Dataplane = resource.spec_as().ok()?;
        let networking = spec.networking.filter(|networking| {
            label.is_none_or(|label| label == zone) && networking.gateway.is_none()
        })?;
        let tags = networking.inbound.iter();
        let tags: Vec<_> = tags
            .map(|inbound| in_zone(inbound.tags.clone(), zone))
            .collect();
        let mut taken = BTreeSet::new();
        let mut inbounds = Vec::new();
        let mut left_out = Vec::new();
        for (position, (spec, tags)) in networking.inbound.iter().zip(&tags).enumerate() {
            let inbound = Inbound::read(spec, &networking.address, tags.clone());
            let inbound = inbound.and_then(|inbound| match taken.insert(inbound.at) {
                true => Ok(inbound),
                false => Err(("", Reason::DuplicateInbound(inbound.at))),
            });
            match inbound {
                Ok(inbound) => inbounds.push(inbound),
                Err((field, reason)) => {
                    left_out.push((format!("networking.inbound[{position}]{field}"), reason));
                }
            }
        }
        let source = tags.first().cloned().unwrap_or_default();
        let outbound = DelegatedInstance {
            told: told(&tags),
            ..DelegatedInstance::read(source, &networking.address, networking.outbound)
        };
        Some(Self {
            address: networking.address.into(),
            inbounds: inbounds.into(),
            outbound: Arc::new(outbound),
            left_out: left_out.into(),
        })
    }
}

/// Whom others see in requests of the application: all its services. Of a tag that differs among the
/// inbounds all values are told, as in `web,admin`.
fn told(inbounds: &[Tags]) -> Tags {
    let mut told = Tags::new();
    for (name, value) in inbounds.iter().flatten() {
        let values: &mut String = told.entry(name.clone()).or_default();
        if values.is_empty() {
            values.push_str(value);
        } else if !values.split(',').any(|known| known == value) {
            values.push(',');
            values.push_str(value);
        }
    }
    told
}

impl Inbound {
    /// Reads one, or says which of its fields is wrong.
    fn read(spec: &Spec, host: &str, tags: Tags) -> Result<Self, (&'static str, Reason)> {
        let host = if spec.address.is_empty() {
            host
        } else {
            &spec.address
        };
        let at = socket_address(host, spec.port, ".port")?;
        let service_port = if spec.service_port == 0 {
            spec.port
        } else {
            spec.service_port
        };
        let loopback = Ipv4Addr::LOCALHOST.to_string();
        let application = match &*spec.service_address {
            "" => &loopback,
            address => address,
        };
        Ok(Self {
            at,
            application: socket_address(application, service_port, ".servicePort")?,
            spoken: spoken(spec),
            tags,
        })
    }

    /// The service that it is an instance of.
    pub fn service(&self) -> &str {
        self.tags.get(SERVICE).map_or("", String::as_str)
    }

    /// Name of its listener: `inbound:ADDRESS:PORT`.
    pub fn listener_name(&self) -> Arc<str> {
        format!("inbound:{}", self.at).into()
    }

    /// Name of the cluster of its application.
    pub fn cluster_name(&self) -> Arc<str> {
        format!("localhost:{}", self.application.port()).into()
    }
}

fn socket_address(
    host: &str,
    port: u32,
    field: &'static str,
) -> Result<SocketAddr, (&'static str, Reason)> {
    let address: IpAddr = host
        .parse()
        .map_err(|_| (".address", Reason::Address(host.to_owned())))?;
    let number = u16::try_from(port).ok().filter(|port| *port != 0);
    let number = number.ok_or((field, Reason::Port(port)))?;
    Ok(SocketAddr::new(address, number))
}
