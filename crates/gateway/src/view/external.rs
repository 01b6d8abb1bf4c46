//! External services among what is behind a mesh's gateways.

use std::collections::BTreeSet;

use portolan_model::{Resource, ResourceKey, tags::Tags};

use super::{Mesh, ZoneView, mesh_of};
use crate::plan::{
    destination::Destination,
    external::{External, Externals, Touched},
    mtls::Mtls,
    services::Services,
    spoken::Spoken,
};

/// Whom the proxies of one group can be connected with.
#[derive(Clone, Copy)]
pub(super) struct Reach<'a> {
    pub(super) services: &'a Services,
    /// What other meshes offer.
    pub(super) offers: &'a Services,
    pub(super) externals: &'a Externals,
    /// How members of the mesh are connected with, if by mutual TLS.
    pub(super) mtls: Option<&'a Mtls>,
    /// The zone of the proxies.
    pub(super) zone: &'a str,
    /// The tags of their Dataplanes, which TrafficPermissions ask for.
    pub(super) source: &'a Tags,
    /// Whether all of them have IPv6 addresses.
    pub(super) ipv6: bool,
}

impl<'a> Reach<'a> {
    /// The external services behind a destination that the proxies may reach. If there are any they serve
    /// alone, else the mesh's own instances do.
    pub(super) fn external(&self, destination: &'a Destination) -> Vec<&'a External> {
        let permitted = self.externals.permitted(destination, self.source);
        permitted.map(|external| &**external).collect()
    }

    /// Where the instances of a destination are that is no external service.
    pub(super) fn among(&self, destination: &Destination) -> &'a Services {
        match destination.mesh() {
            Some(_) => self.offers,
            None => self.services,
        }
    }

    /// What is spoken with a destination.
    pub(super) fn spoken(&self, destination: &Destination) -> Spoken {
        if self.is_external(destination) {
            self.externals.spoken(destination)
        } else {
            self.among(destination).spoken(destination)
        }
    }

    /// Whether a destination of HTTP is spoken to in HTTP/2.
    pub(super) fn speaks_http2(&self, destination: &Destination) -> bool {
        if self.is_external(destination) {
            self.externals.spoken(destination) == Spoken::Http2
        } else {
            self.among(destination).speaks_http2(destination)
        }
    }

    /// Also without permission, unless the mesh's own instances serve then: what is spoken must not change
    /// with what is permitted.
    fn is_external(&self, destination: &Destination) -> bool {
        let mut permitted = self.externals.permitted(destination, self.source);
        let known = || self.externals.of(destination).next().is_some();
        permitted.next().is_some() || !self.services.has_service(destination.service()) && known()
    }
}

impl ZoneView {
    /// Takes over what external services depend on.
    pub(super) fn put_external(&mut self, resource: &Resource) {
        let key = &resource.key;
        if Externals::has(key.kind) {
            let mesh = self.mesh(mesh_of(key));
            let touched = mesh.sources.externals.put(resource);
            mesh.services_changed(&touched);
        }
    }

    /// Forgets what external services depend on.
    pub(super) fn remove_external(&mut self, key: &ResourceKey) {
        if let Some(mesh) = self.meshes.get_mut(mesh_of(key))
            && Externals::has(key.kind)
        {
            let touched = mesh.sources.externals.remove(key);
            mesh.services_changed(&touched);
        }
    }
}

impl Mesh {
    fn services_changed(&mut self, touched: &Touched) {
        let services: BTreeSet<&str> = touched.iter().map(|service| &**service).collect();
        if services.is_empty() {
            return;
        }
        for group in self.groups.values_mut() {
            group.services_changed(&services);
        }
        for group in self.delegated.values_mut() {
            group.services_changed(&services);
        }
        self.members.services_changed(&services);
        self.place_policies(&services);
    }
}
