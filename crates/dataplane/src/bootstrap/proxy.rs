//! The Dataplane in a request, as far as the bootstrap depends on it.

use bytes::Bytes;
use portolan_model::{
    Kind, Scope,
    kinds::{DATAPLANE, ZONE_INGRESS},
    proto::mesh::{Dataplane, ZoneIngress, dataplane::networking::gateway::GatewayType},
};
use prost::Message;
use serde_json::Value;

use super::{BootstrapError, Request};

const SERVICE: &str = "kuma.io/service";
/// The type of a ZoneIngress's proxy, and what its statistics are called after.
const INGRESS: &str = "ingress";

/// A Dataplane that was read and found valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Its mesh; empty for a ZoneIngress.
    pub mesh: String,
    /// Its name.
    pub name: String,
    /// Its first service, or its name when it has none; Envoy's `node.cluster`.
    pub service: String,
    /// Its address.
    pub address: String,
    /// `dataplane` or `ingress`.
    pub proxy_type: &'static str,
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
        let kind = kind(&request.proxy_type)
            .ok_or_else(|| BootstrapError::ProxyType(request.proxy_type.clone()))?;
        let resource: Value = serde_norway::from_str(&request.dataplane_resource)
            .map_err(|error| BootstrapError::Unreadable(error.to_string()))?;
        let (mesh, name) = identity(kind, &resource)?;
        check_identity(request, &mesh, &name)?;
        let spec = spec(kind, &resource)?;
        let unreadable = |error: prost::DecodeError| BootstrapError::Unreadable(error.to_string());
        if kind == ZONE_INGRESS {
            let spec = ZoneIngress::decode(spec).map_err(unreadable)?;
            return Ok(Self::of_ingress(name, spec));
        }
        let spec = Dataplane::decode(spec).map_err(unreadable)?;
        Ok(Self::of_dataplane(mesh, name, spec))
    }

    fn of_ingress(name: String, spec: ZoneIngress) -> Self {
        let networking = spec.networking.unwrap_or_default();
        Self {
            mesh: String::new(),
            name,
            service: INGRESS.to_owned(),
            proxy_type: INGRESS,
            is_gateway: false,
            admin_port: networking.admin.map_or(0, |admin| admin.port),
            address: networking.address,
        }
    }

    fn of_dataplane(mesh: String, name: String, spec: Dataplane) -> Self {
        let networking = spec.networking.unwrap_or_default();
        let gateway = networking.gateway.as_ref();
        let tags = gateway
            .map(|gateway| &gateway.tags)
            .into_iter()
            .chain(networking.inbound.iter().map(|inbound| &inbound.tags));
        let service = tags.filter_map(|tags| tags.get(SERVICE)).next();
        Self {
            service: service.unwrap_or(&name).clone(),
            proxy_type: "dataplane",
            is_gateway: gateway.is_some_and(|gateway| gateway.r#type() == GatewayType::Builtin),
            admin_port: networking.admin.as_ref().map_or(0, |admin| admin.port),
            address: networking.address,
            mesh,
            name,
        }
    }
}

/// The kind of resource that proxies of a type are of.
fn kind(proxy_type: &str) -> Option<Kind> {
    match proxy_type {
        "" | "dataplane" => Some(DATAPLANE),
        INGRESS => Some(ZONE_INGRESS),
        _ => None,
    }
}

/// Mesh and name of a resource.
fn identity(kind: Kind, resource: &Value) -> Result<(String, String), BootstrapError> {
    let text = |field: &str| {
        resource
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let told = text("type");
    if told != kind.name() {
        return Err(BootstrapError::Unreadable(format!(
            "its type is {told:?}, not {kind}"
        )));
    }
    let is_in_mesh = kind.scope == Scope::Mesh;
    let mesh = if is_in_mesh { text("mesh") } else { "" };
    let name = text("name");
    if is_in_mesh && mesh.is_empty() || name.is_empty() {
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

fn spec(kind: Kind, resource: &Value) -> Result<Bytes, BootstrapError> {
    let spec = kind
        .spec_from_json(resource)
        .map_err(|error| BootstrapError::Unreadable(error.to_string()))?;
    let violations = (kind.validate)(&spec);
    if !violations.is_empty() {
        return Err(BootstrapError::Invalid(violations));
    }
    Ok(spec)
}
