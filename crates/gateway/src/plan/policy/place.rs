//! Who does what RateLimits and FaultInjections say, once for a request: the proxy that sends it, or that of the
//! member that takes it.
//!
//! Where the mesh has mutual TLS, requests to a service of HTTP pass the proxy of a member, and none but proxies of
//! the mesh send any: the member does it, whoever sends, from whichever zone. Everything else is done where it is
//! sent: without mutual TLS nobody knows whether there is a proxy on the other side, and external services have none.

use std::collections::BTreeSet;

use crate::plan::{external::Externals, remote::RemoteServices, services::Services};

/// Which services' members act.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    mtls: bool,
    /// Services whose members cannot, or not all of them.
    exceptions: BTreeSet<Box<str>>,
}

impl Place {
    /// Whether members of a service act on requests, and not who sends them.
    pub fn is_at_member(&self, service: &str) -> bool {
        self.mtls && !self.exceptions.contains(service)
    }

    /// Takes over whether the mesh has mutual TLS; whether anything differs.
    pub fn set_mtls(&mut self, mtls: bool) -> bool {
        std::mem::replace(&mut self.mtls, mtls) != mtls
    }

    /// Takes over a service as the zones have it, and those others that are reached through their
    /// ZoneIngresses; whether its place differs.
    pub fn set_service<'a>(
        &mut self,
        service: &str,
        mut zones: impl Iterator<Item = &'a Services>,
        elsewhere: &RemoteServices,
        externals: &Externals,
    ) -> bool {
        let ordinary = !externals.has_service(service)
            && elsewhere.all_speak_http(service)
            && zones.all(|zone| zone.all_speak_http(service));
        let differs = match ordinary {
            true => self.exceptions.remove(service),
            false => self.exceptions.insert(service.into()),
        };
        differs && self.mtls
    }
}
