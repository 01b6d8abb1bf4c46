//! What a DELEGATED gateway instance asks for: a port on its own machine for each service.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use portolan_model::tags::Tags;
use portolan_proto::mesh::dataplane::networking::Outbound as Spec;

use super::destination::{Destination, cluster_name};
use crate::fault::Reason;

/// A DELEGATED gateway instance. Those that are equal get the same configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DelegatedInstance {
    /// Its gateway tags, `kuma.io/zone` among them.
    pub tags: Tags,
    /// The tags that others are told in requests.
    pub told: Tags,
    /// Whether its address is one of IPv6.
    pub ipv6: bool,
    /// Where it takes connections, ordered, each address once.
    pub outbounds: Box<[Outbound]>,
    /// Fields of its Dataplane that had to be left out, and why.
    pub left_out: Box<[(String, Reason)]>,
}

/// One port, and the service behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outbound {
    /// Where the gateway beside the proxy reaches the service.
    pub at: SocketAddr,
    /// Whose instances it is connected with.
    pub destination: Arc<Destination>,
}

impl DelegatedInstance {
    /// Reads the outbounds of a Dataplane with these gateway tags at this address.
    pub fn read(tags: Tags, address: &str, specs: Vec<Spec>) -> Self {
        let mut taken = BTreeSet::new();
        let mut outbounds = Vec::with_capacity(specs.len());
        let mut left_out = Vec::new();
        for (position, spec) in specs.into_iter().enumerate() {
            let outbound = Outbound::read(spec).and_then(|outbound| {
                let reason = Reason::DuplicateOutbound(outbound.at);
                taken
                    .insert(outbound.at)
                    .then_some(outbound)
                    .ok_or(("", reason))
            });
            match outbound {
                Ok(outbound) => outbounds.push(outbound),
                Err((field, reason)) => {
                    left_out.push((format!("networking.outbound[{position}]{field}"), reason));
                }
            }
        }
        outbounds.sort_unstable();
        Self {
            told: tags.clone(),
            tags,
            ipv6: address
                .parse()
                .is_ok_and(|address: IpAddr| address.is_ipv6()),
            outbounds: outbounds.into(),
            left_out: left_out.into(),
        }
    }
}

impl Outbound {
    /// Reads one, or says which of its fields is wrong.
    fn read(spec: Spec) -> Result<Self, (&'static str, Reason)> {
        let address: IpAddr = match &*spec.address {
            "" => Ipv4Addr::LOCALHOST.into(),
            address => address
                .parse()
                .map_err(|_| (".address", Reason::Address(address.to_owned())))?,
        };
        let port = u16::try_from(spec.port)
            .ok()
            .filter(|port| *port != 0)
            .ok_or((".port", Reason::Port(spec.port)))?;
        if spec.backend_ref.is_some() {
            return Err((".backendRef", Reason::BackendRef));
        }
        let destination = Destination::new(spec.tags)
            // Envoy takes no empty name for a cluster.
            .filter(|destination| !destination.service().is_empty())
            .ok_or((".tags", Reason::NoService))?;
        Ok(Self {
            at: SocketAddr::new(address, port),
            destination: Arc::new(destination),
        })
    }

    /// Name of its listener: `outbound:ADDRESS:PORT`.
    pub fn listener_name(&self) -> Arc<str> {
        format!("outbound:{}", self.at).into()
    }

    /// Name of its cluster: the service's, with a hash behind it where more tags choose among its
    /// instances.
    pub fn cluster_name(&self) -> Arc<str> {
        match self.destination.tags().len() {
            1 => self.destination.service().into(),
            _ => cluster_name(&self.destination, &Tags::new()).into(),
        }
    }
}
