//! External services among what is behind a mesh's gateways.

use std::collections::BTreeSet;

use portolan_model::{Resource, ResourceKey, tags::Tags};

use super::{Mesh, ZoneView, mesh_of};
use crate::fault::Fault;
use crate::plan::{
    destination::Destination,
    external::{External, Externals, Touched},
    mtls::Mtls,
    named::Named,
    remote::RemoteServices,
    services::Services,
    spoken::Spoken,
    spread::Spread,
};

/// Whom the proxies of one group can be connected with.
#[derive(Clone, Copy)]
pub(super) struct Reach<'a> {
    pub(super) services: &'a Services,
    /// What other meshes offer.
    pub(super) offers: &'a Services,
    pub(super) externals: &'a Externals,
    /// The same services in other zones.
    pub(super) remotes: &'a RemoteServices,
    /// What these can be asked for.
    pub(super) named: &'a Named,
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
            let elsewhere = self.spoken_elsewhere(destination, true);
            self.among(destination).spoken(destination, elsewhere)
        }
    }

    /// Whether a destination of HTTP is spoken to in HTTP/2.
    pub(super) fn speaks_http2(&self, destination: &Destination) -> bool {
        if self.is_external(destination) {
            self.externals.spoken(destination) == Spoken::Http2
        } else {
            let elsewhere = self.spoken_elsewhere(destination, false);
            self.among(destination).speaks_http2(destination, elsewhere)
        }
    }

    /// Also without permission, unless the mesh's own instances serve then: what is spoken must not change
    /// with what is permitted.
    fn is_external(&self, destination: &Destination) -> bool {
        let mut permitted = self.externals.permitted(destination, self.source);
        let known = || self.externals.of(destination).next().is_some();
        let service = destination.service();
        let of_mesh = self.services.has_service(service)
            || self.reaches(destination) && self.remotes.has_service(service);
        permitted.next().is_some() || !of_mesh && known()
    }

    /// Whether instances of a destination in other zones can be reached: their zones let nobody in who does
    /// not say by mutual TLS what it wants.
    fn reaches(&self, destination: &Destination) -> bool {
        self.mtls.is_some() && destination.mesh().is_none() && self.named.has(destination)
    }

    fn spoken_elsewhere(
        &self,
        destination: &'a Destination,
        whole: bool,
    ) -> impl Iterator<Item = Spoken> {
        let remotes = self.reaches(destination).then_some(self.remotes);
        let remotes = remotes.into_iter();
        remotes.flat_map(move |remotes| remotes.spoken(destination, whole))
    }

    /// The endpoints of a destination in other zones.
    pub(super) fn spread(&self, destination: &Destination, faults: &mut Vec<Fault>) -> Spread {
        match self.reaches(destination) {
            true => self
                .remotes
                .spread(destination, |zone| zone == self.zone, faults),
            false => Spread::default(),
        }
    }
}

impl ZoneView {
    /// Takes over what external services depend on.
    pub(super) fn put_external(&mut self, resource: &Resource) {
        let key = &resource.key;
        if Externals::has(key.kind) {
            let mesh = self.mesh(mesh_of(key));
            let touched = mesh.sources.externals.put(resource);
            mesh.touch(&touched);
        }
    }

    /// Forgets what external services depend on.
    pub(super) fn remove_external(&mut self, key: &ResourceKey) {
        if let Some(mesh) = self.meshes.get_mut(mesh_of(key))
            && Externals::has(key.kind)
        {
            let touched = mesh.sources.externals.remove(key);
            mesh.touch(&touched);
        }
    }
}

impl Mesh {
    /// Something changed of the instances of these services.
    pub(super) fn touch(&mut self, touched: &Touched) {
        let services: BTreeSet<&str> = touched.iter().map(|service| &**service).collect();
        self.services_changed(&services);
    }

    pub(super) fn services_changed(&mut self, services: &BTreeSet<&str>) {
        if services.is_empty() {
            return;
        }
        for group in self.groups.values_mut() {
            group.services_changed(services);
        }
        for group in self.delegated.values_mut() {
            group.services_changed(services);
        }
        self.members.services_changed(services);
        self.place_policies(services);
        self.entrance.services_changed(services);
    }
}
