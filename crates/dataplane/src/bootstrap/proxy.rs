//! The Dataplane in a request, as far as the bootstrap depends on it.

use portolan_model::{
    kinds::DATAPLANE,
    proto::mesh::{Dataplane, dataplane::networking::gateway::GatewayType},
};
use prost::Message;
use serde_json::Value;

use super::{BootstrapError, Request};

const SERVICE: &str = "kuma.io/service";

/// A Dataplane that was read and found valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Its mesh.
    pub mesh: String,
    /// Its name.
    pub name: String,
    /// Its first service, or its name when it has none; Envoy's `node.cluster`.
    pub service: String,
    /// Its address.
    pub address: String,
    /// Whether it is an instance of a builtin gateway.
    pub is_gateway: bool,
    /// The admin port that it names; 0 if none.
    pub admin_port: u32,
}

impl Proxy {
    /// The Dataplane of a request.
    ///
    /// # Errors
    /// When there is none, or it is not valid, or it is another one than the request names.
    pub fn of(request: &Request) -> Result<Self, BootstrapError> {
        if !matches!(&*request.proxy_type, "" | "dataplane") {
            return Err(BootstrapError::ProxyType(request.proxy_type.clone()));
        }
        let resource: Value = serde_norway::from_str(&request.dataplane_resource)
            .map_err(|error| BootstrapError::Unreadable(error.to_string()))?;
        let (mesh, name) = identity(&resource)?;
        check_identity(request, &mesh, &name)?;
        let spec = spec(resource)?;
        Ok(Self::from_spec(mesh, name, spec))
    }

    fn from_spec(mesh: String, name: String, spec: Dataplane) -> Self {
        let networking = spec.networking.unwrap_or_default();
        let gateway = networking.gateway.as_ref();
        let tags = gateway
            .map(|gateway| &gateway.tags)
            .into_iter()
            .chain(networking.inbound.iter().map(|inbound| &inbound.tags));
        let service = tags.filter_map(|tags| tags.get(SERVICE)).next();
        Self {
            service: service.unwrap_or(&name).clone(),
            is_gateway: gateway.is_some_and(|gateway| gateway.r#type() == GatewayType::Builtin),
            admin_port: networking.admin.as_ref().map_or(0, |admin| admin.port),
            address: networking.address,
            mesh,
            name,
        }
    }
}

/// Mesh and name of a Dataplane.
fn identity(resource: &Value) -> Result<(String, String), BootstrapError> {
    let text = |field: &str| {
        resource
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let kind = text("type");
    if kind != DATAPLANE.name() {
        return Err(BootstrapError::Unreadable(format!(
            "its type is {kind:?}, not Dataplane"
        )));
    }
    let (mesh, name) = (text("mesh"), text("name"));
    if mesh.is_empty() || name.is_empty() {
        return Err(BootstrapError::Unreadable(
            "it has no mesh or no name".to_owned(),
        ));
    }
    Ok((mesh.to_owned(), name.to_owned()))
}

fn check_identity(request: &Request, mesh: &str, name: &str) -> Result<(), BootstrapError> {
    let differs = |asked: &str, is: &str| !asked.is_empty() && asked != is;
    if differs(&request.mesh, mesh) || differs(&request.name, name) {
        return Err(BootstrapError::Mismatch {
            request: format!("{}/{}", request.mesh, request.name),
            dataplane: format!("{mesh}/{name}"),
        });
    }
    Ok(())
}

fn spec(resource: Value) -> Result<Dataplane, BootstrapError> {
    let unreadable = |reason: String| BootstrapError::Unreadable(reason);
    let spec = DATAPLANE
        .spec_from_json(&resource)
        .map_err(|error| unreadable(error.to_string()))?;
    let violations = (DATAPLANE.validate)(&spec);
    if !violations.is_empty() {
        return Err(BootstrapError::Invalid(violations));
    }
    Dataplane::decode(spec).map_err(|error| unreadable(error.to_string()))
}
