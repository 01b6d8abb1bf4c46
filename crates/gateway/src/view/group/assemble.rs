//! What the instances at one place get, of what the group has compiled.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use portolan_model::{ResourceKey, kinds::DATAPLANE, tags::SERVICE};

use super::{Group, Seat};
use crate::{
    compiled::{Compiled, Resources, Trusts},
    envoy,
    fault::{Fault, Reason},
    template::{self, Memory, Outcome},
    view::ports::OpenChain,
};

impl Group {
    /// All of it, with the listeners of the place.
    pub(super) fn assemble(&mut self, seat: &Seat, mesh: &Arc<str>, zone: &str) -> Compiled {
        let mut faults = self.faults.clone();
        let without_log = self.without_log(seat, mesh);
        if without_log.is_some() {
            faults = faults.iter().cloned().chain(without_log).collect();
        }
        // Nobody asks for what only listeners use if there are none.
        let mut modified = BTreeSet::new();
        let listens = seat.address.parse::<IpAddr>().is_ok();
        let (listeners, tables, certificates) = if listens {
            (
                self.listeners_at(seat, mesh, zone, &mut modified),
                self.route_configurations.clone(),
                self.certificates.clone(),
            )
        } else {
            let with = faults.iter().cloned();
            faults = with.chain(self.unusable_address(seat, mesh)).collect();
            Default::default()
        };
        let mut resources = BTreeMap::from([
            (envoy::CLUSTER, self.clusters.clusters().clone()),
            (
                envoy::CLUSTER_LOAD_ASSIGNMENT,
                self.clusters.load_assignments().clone(),
            ),
            (envoy::ROUTE_CONFIGURATION, tables),
            (envoy::RUNTIME_LAYER, self.runtime.clone()),
            (envoy::SECRET, certificates),
        ]);
        if let Some(template) = self.for_proxy.template() {
            for (type_url, resources) in &mut resources {
                let memory = self.modified.entry(type_url).or_default();
                let outcome = template.apply(type_url, resources, template::of_gateway, memory);
                *resources = outcome.resources;
                modified.extend(outcome.faults);
            }
            modified.extend(template.faults().iter().cloned());
        }
        resources.insert(envoy::LISTENER, listeners);
        if !modified.is_empty() {
            faults = faults.iter().cloned().chain(modified).collect();
        }
        Compiled {
            gateway: self
                .gateway
                .as_ref()
                .map(|gateway| gateway.key.name.clone()),
            is_delegated: false,
            is_member: false,
            ticket_keys: self.ticket_keys(mesh).filter(|_| listens),
            resources,
            faults,
            trusts: Trusts {
                all: self.chains().any(OpenChain::is_cross_mesh),
                ..Trusts::default()
            },
        }
    }

    /// The listeners, and in `faults` what a ProxyTemplate could not do with them.
    fn listeners_at(
        &mut self,
        seat: &Seat,
        mesh: &str,
        zone: &str,
        faults: &mut BTreeSet<Fault>,
    ) -> Resources {
        if let Some(outcome) = self.listeners.get(seat) {
            faults.extend(outcome.faults.iter().cloned());
            return outcome.resources.clone();
        }
        let ticket_keys = self.ticket_keys(mesh).unwrap_or_default();
        // Envoy takes no empty name for statistics.
        let service = self.tags.get(SERVICE).filter(|service| !service.is_empty());
        let service = service.map_or("gateway", String::as_str);
        let backend = self.for_proxy.log_backend.as_deref();
        let site = envoy::Site {
            mesh,
            address: &seat.address,
            service,
            ticket_keys: &ticket_keys,
            logged: backend.map(|backend| envoy::Logged {
                backend,
                pipe: seat.log_pipe.as_deref(),
                mesh,
                zone,
                service,
                address: &seat.address,
                destination: "*",
                direction: "INBOUND",
            }),
            traced: self.for_proxy.trace_backend.as_deref(),
        };
        let listeners = self.ports.iter().filter_map(|open| {
            let chains = open.chains.iter().map(OpenChain::in_use);
            let listener = envoy::listener(&open.port, &site, chains)?;
            Some((open.port.name.clone(), listener))
        });
        let compiled: Resources = Arc::new(listeners.collect());
        let outcome = match self.for_proxy.template() {
            Some(template) => {
                let memory = &mut Memory::default();
                template.apply(envoy::LISTENER, &compiled, template::of_gateway, memory)
            }
            None => Outcome::of(compiled),
        };
        let listeners = outcome.resources.clone();
        faults.extend(outcome.faults.iter().cloned());
        self.listeners.insert(seat.clone(), outcome);
        listeners
    }

    /// By what listeners ask for the keys of session tickets; nothing if TLS ends at none.
    fn ticket_keys(&self, mesh: &str) -> Option<Arc<str>> {
        let gateway = self.gateway.as_ref()?;
        let ends_tls = self.chains().any(|chain| chain.in_use().ends_tls());
        ends_tls.then(|| envoy::ticket_keys_name(mesh, &gateway.name))
    }

    fn unusable_address(&self, seat: &Seat, mesh: &Arc<str>) -> Option<Fault> {
        Some(Fault {
            resource: self.somebody_at(seat, mesh)?,
            field: "networking.address".to_owned(),
            reason: Reason::Address(seat.address.clone()),
        })
    }

    /// Why lines for a collector are not written, if they are not.
    fn without_log(&self, seat: &Seat, mesh: &Arc<str>) -> Option<Fault> {
        let (resource, backend) = self.for_proxy.collector(mesh)?;
        let somebody = self
            .somebody_at(seat, mesh)
            .filter(|_| seat.log_pipe.is_none())?;
        Some(Fault {
            resource,
            field: "conf.backend".to_owned(),
            reason: Reason::NoLogPipe(backend.name.to_string(), somebody.name),
        })
    }

    /// The first of the Dataplanes at a place.
    fn somebody_at(&self, seat: &Seat, mesh: &Arc<str>) -> Option<ResourceKey> {
        let (name, _) = self.members.iter().find(|(_, other)| *other == seat)?;
        Some(ResourceKey::in_mesh(DATAPLANE, mesh.clone(), name.clone()))
    }
}
