//! Who has what: each zone, and each proxy in it, with the revision that it acknowledged.

use jiff::Timestamp;
use portolan_model::Revision;
use serde::{Deserialize, Serialize};

/// What `GET /_status` answers; on a zone it names no zones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// The newest revision of the global's store.
    pub revision: Revision,
    /// All zones, ordered by name.
    pub zones: Vec<Zone>,
}

/// One zone as the global sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// Whether its control plane is connected.
    pub online: bool,
    /// Since when it is online, or offline; absent if it never was online.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The global's revision that the zone has on its disk.
    pub acknowledged_revision: Revision,
    /// Version of its control plane, empty if unknown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The last thing that it refused or that broke its connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Its connected proxies, ordered by mesh and name.
    pub instances: Vec<Instance>,
    /// Its MeshGatewayInstances, ordered by mesh and name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scaled: Vec<Scaled>,
}

/// How far a zone is with a MeshGatewayInstance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Scaled {
    /// Its mesh.
    pub mesh: String,
    /// Its name.
    pub name: String,
    /// Instances that the zone is to run, as far as it has heard.
    pub wanted: u32,
    /// Instances that run, also those that start and those that take their leave.
    pub running: u32,
    /// Instances that serve.
    pub ready: u32,
    /// What keeps the zone from running what is wanted, empty if nothing does.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// One proxy with an open xDS stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Instance {
    /// The mesh of its Dataplane.
    pub mesh: String,
    /// The name of its Dataplane in its zone.
    pub name: String,
    /// The MeshGateway that it runs, empty for other proxies.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub gateway: String,
    /// Whether it is an instance of a DELEGATED gateway.
    #[serde(skip_serializing_if = "is_false")]
    pub delegated: bool,
    /// Whether it is no gateway, but the proxy of a member of the mesh or of a ZoneIngress.
    #[serde(skip_serializing_if = "is_false")]
    pub member: bool,
    /// The global's revision that everything which it acknowledged reflects.
    pub served_revision: Revision,
    /// The refusal that is still in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
}

impl Zone {
    /// Its gateway instances.
    pub fn gateways(&self) -> impl Iterator<Item = &Instance> {
        self.instances.iter().filter(|instance| !instance.member)
    }

    /// Its members with a proxy, and its ZoneIngresses.
    pub fn members(&self) -> impl Iterator<Item = &Instance> {
        self.instances.iter().filter(|instance| instance.member)
    }
}

// serde passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !value
}

/// A configuration that a proxy refused; it goes on with the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Refused {
    /// Type URL of the refused xDS resources.
    #[serde(rename = "type")]
    pub type_url: String,
    /// The proxy's reason.
    pub message: String,
    /// The global's revision that the refused configuration reflected.
    pub revision: Revision,
}
