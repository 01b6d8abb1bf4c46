//! Resources to plain values: which MeshGateway, which ports and hosts, which routes in which order,
//! which instances behind them. Nothing here knows of Envoy.
//!
//! ```text
//!   MeshGateway ─▶ listeners::ports ─▶ Port ─▶ Chain ─┐
//!                                                     ├─▶ RouteTable: hosts, each with its routes in order
//!   MeshGatewayRoute ─┬▶ HttpRoute ─▶ Entry ──────────┤
//!                     └▶ TcpRoute ────────────────────┴─▶ TcpTable: who shares the connections
//!   Timeout, Retry … ─▶ policy::Policies: what is chosen for a route and for a backend
//!   TrafficLog … ─▶ proxy::ProxyPolicies: what is chosen for all proxies of a gateway
//!   Secret ─▶ certificate::Identity: what the proxy shows its clients
//!   ExternalService ─▶ external::Externals: what of it TrafficPermissions let a Dataplane reach
//!   Dataplane ─┬▶ Inbounds ─▶ Services: instances of a Destination
//!              └▶ Outbounds: the ports of a DELEGATED gateway instance
//!   ZoneIngress ─▶ remote::RemoteServices: the same in other zones
//! ```

pub mod action;
mod backend;
pub mod certificate;
pub mod cross_mesh;
pub mod dataplane;
pub mod destination;
pub mod entry;
pub mod external;
mod filter;
pub mod gateway;
mod header;
pub mod hosts;
pub mod ingress;
pub mod interner;
pub mod listeners;
pub mod matching;
pub mod member;
pub mod mtls;
pub mod named;
mod needs;
pub mod outbound;
pub mod permission;
pub mod policy;
pub mod port;
pub mod proxy;
mod regex;
pub mod remote;
pub mod route;
pub mod services;
pub mod spoken;
pub mod spread;
pub mod table;
pub mod tcp;

pub(crate) use regex::literal_prefix;
