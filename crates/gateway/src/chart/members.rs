//! Members of a mesh with mutual TLS, and whom they let in.

use std::collections::HashSet;

use portolan_model::{Resource, tags::Tags};

use super::{Chart, Fleet};
use crate::plan::{
    dataplane::Instance, destination::Destination, mtls::Mtls, permission::Permission,
};

impl Chart {
    pub(super) fn set_mtls(&mut self, mesh: Option<&Resource>) {
        self.mtls = mesh.and_then(Mtls::read);
        self.policies.place.set_mtls(self.mtls.is_some());
    }

    /// Whether an instance lets gateway instances of a fleet in, by the certificate that they show; nothing
    /// in a mesh without mutual TLS, where nobody is asked.
    pub(crate) fn admission(&self, fleet: &Fleet, instance: &Instance) -> Option<Permission<'_>> {
        self.mtls.as_ref()?;
        let permissions = self.externals.permissions();
        Some(permissions.between_members(&fleet.tags, &instance.tags))
    }

    /// Whether some instance of a destination lets one of these fleets in.
    pub(super) fn admits(&self, fleets: &[&Fleet], destination: &Destination) -> bool {
        let mut asked: HashSet<&Tags> = HashSet::new();
        let services = self.services.values();
        let mut instances = services.flat_map(|services| services.instances(destination));
        instances.any(|instance| {
            // Most instances of a service are alike.
            asked.insert(&instance.tags)
                && fleets.iter().any(|fleet| {
                    let admission = self.admission(fleet, instance);
                    admission.is_none_or(|permission| permission.is_given())
                })
        })
    }
}
