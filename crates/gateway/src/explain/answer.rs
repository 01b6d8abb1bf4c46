//! An explanation as plain values, ordered and of bounded size.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where a request goes that is sent to a MeshGateway, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The mesh.
    pub mesh: String,
    /// The MeshGateway, as its author called it.
    pub gateway: String,
    /// Path and query as routes see them; nothing if no route sees the request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target: Option<String>,
    /// What else should be known.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notes: Vec<String>,
    /// One for the gateway instances of each zone that differ in their tags.
    pub answers: Vec<Answer>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub more_answers: usize,
}

/// What gateway instances with equal tags do with the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Their zone; nothing for instances that do not exist.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub zone: Option<String>,
    /// Their gateway tags.
    pub tags: BTreeMap<String, String>,
    /// How many instances there are.
    pub instances: usize,
    /// Where the request comes in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub listener: Option<ListenerTaken>,
    /// The virtual host that takes it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub host: Option<HostTaken>,
    /// Who shares the connection, where it is not read as HTTP.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub connection: Option<ConnectionTaken>,
    /// The route that takes it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub route: Option<RouteTaken>,
    /// Routes that come before it and do not take the request, in order: all of them while they are few,
    /// else first those that take the path.
    pub tried: Vec<Tried>,
    /// How many more come before it.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub more_tried: usize,
    /// What the client gets.
    pub outcome: Outcome,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerTaken {
    /// Name of the Envoy listener.
    pub name: String,
    /// Its port.
    pub port: u16,
    /// What it speaks: HTTP, HTTPS, TLS or TCP.
    pub protocol: String,
    /// Its hostname, `*` for all hosts.
    pub hostname: String,
    /// Why this one.
    pub chosen: String,
    /// The name by which the client asks for it in TLS.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sni: Option<String>,
    /// What it does with TLS.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tls: Option<TlsTaken>,
    /// What all listeners of the gateway get.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub policies: Vec<PolicyTaken>,
}

/// What a listener does with TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsTaken {
    /// TERMINATE or PASSTHROUGH.
    pub mode: String,
    /// Where its certificates come from; never what they are.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub certificates: Vec<String>,
}

/// A connection whose bytes go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionTaken {
    /// The MeshGatewayRoutes that belong to the listener.
    pub routes: Vec<String>,
    /// What connections get, whichever backend they go to.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub policies: Vec<PolicyTaken>,
    /// Their backends, which share all connections.
    pub backends: Vec<BackendTaken>,
}

/// A virtual host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostTaken {
    /// Its hostname.
    pub hostname: String,
    /// How many routes it has.
    pub routes: usize,
    /// How Envoy finds the one that takes the request; nothing if it has none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub table: Option<TableTaken>,
}

/// Which routes of a virtual host Envoy walks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "layout", rename_all = "camelCase")]
pub enum TableTaken {
    /// All, in order.
    List,
    /// Those of one leaf, in order.
    Tree {
        /// The prefix of the path by which the leaf is found; nothing for what begins with none.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        leaf: Option<String>,
        /// How many routes the leaf has.
        routes: usize,
    },
}

/// Where a route stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// Its position on the virtual host, from 1.
    pub position: usize,
    /// The MeshGatewayRoute, as its author called it.
    pub name: String,
    /// Position of the rule in it, from 0.
    pub rule: u32,
    /// Position of the match in the rule, from 0.
    pub r#match: u32,
    /// What it asks of a request.
    pub conditions: String,
}

/// The route that takes a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteTaken {
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// What it changes on the way.
    pub filters: Vec<String>,
    /// What its requests get, whichever backend they go to.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub policies: Vec<PolicyTaken>,
    /// Where it sends the request; empty for a redirect.
    pub backends: Vec<BackendTaken>,
}

/// A policy, and why it is this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyTaken {
    /// Its kind.
    pub r#type: String,
    /// The resource, as its author called it.
    pub name: String,
    /// Why this one.
    pub why: String,
}

/// A backend of a route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendTaken {
    /// The tags of its instances.
    pub tags: BTreeMap<String, String>,
    /// Name of the Envoy cluster.
    pub cluster: String,
    /// Its weight.
    pub weight: u32,
    /// Its share of requests, in percent.
    pub percent: f64,
    /// What connections to it get.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub policies: Vec<PolicyTaken>,
    /// Addresses of the instances that take requests now.
    pub endpoints: Vec<String>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub more_endpoints: usize,
    /// How many instances take no requests now.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub unhealthy: usize,
    /// What the instances that take requests say to the certificate of the gateway, in a mesh with mutual
    /// TLS: one for each TrafficPermission that decides.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub admissions: Vec<AdmissionTaken>,
    /// Where other zones take requests for their instances.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub other_zones: Vec<OtherZone>,
    /// The external services with these tags. Those that may be reached serve alone; where none may, the
    /// mesh's own instances serve.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub external: Vec<ExternalTaken>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub more_external: usize,
}

/// What some instances of a backend, members of a mesh with mutual TLS, say to the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionTaken {
    /// Whether they let it in.
    pub permitted: bool,
    /// Why.
    pub why: String,
    /// Their addresses.
    pub endpoints: Vec<String>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub more_endpoints: usize,
}

/// An address at which another zone takes requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OtherZone {
    /// The zone.
    pub zone: String,
    /// The address of its ZoneIngress.
    pub address: String,
    /// How many instances are behind it.
    pub instances: u32,
    /// Whether it gets requests only while the gateway's own zone has no instance.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub waits: bool,
}

impl BackendTaken {
    /// Whether requests for it have nowhere to go.
    pub(super) fn is_nowhere(&self) -> bool {
        self.endpoints.is_empty() && self.other_zones.is_empty()
    }
}

/// An external service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalTaken {
    /// The ExternalService, as its author called it.
    pub name: String,
    /// Host and port.
    pub address: String,
    /// What becomes of TLS; nothing where none is spoken.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tls: Option<String>,
    /// Whether the gateway instances may reach it.
    pub permitted: bool,
    /// Why.
    pub why: String,
    /// What of it is broken, so that it gets nothing.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub broken: Vec<String>,
}

/// A route that does not take the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tried {
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// The sort of the first condition that does not hold.
    pub failed: Failed,
    /// What was wanted and what was seen.
    pub why: String,
}

/// A sort of condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Failed {
    /// On the path.
    Path,
    /// On the method.
    Method,
    /// On a header.
    Header,
    /// On a query parameter.
    Query,
}

/// What the client gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// In words.
    pub what: String,
    /// The status, if the gateway itself decides it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// Where a redirect leads.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub location: Option<String>,
    /// The body, if the gateway itself gives one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<String>,
}

impl Outcome {
    /// The gateway itself answers nothing.
    pub(super) fn nothing(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            status: None,
            location: None,
            body: None,
        }
    }

    pub(super) fn status(status: u16, what: impl Into<String>) -> Self {
        Self {
            status: Some(status),
            ..Self::nothing(what)
        }
    }
}

// Serde asks for a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}
