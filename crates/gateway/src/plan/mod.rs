//! Resources to plain values: which MeshGateway, which ports and hosts, which routes in which order,
//! which instances behind them. Nothing here knows of Envoy.
//!
//! ```text
//!   MeshGateway ─▶ gateway::ports ─▶ Port ─┐
//!                                          ├─▶ RouteTable: hosts, each with its routes in order
//!   MeshGatewayRoute ─▶ HttpRoute ─▶ Entry ┘
//!   Dataplane ─▶ Inbounds ─▶ Services: instances of a Destination
//! ```

pub mod action;
pub mod dataplane;
pub mod destination;
pub mod entry;
mod filter;
pub mod gateway;
mod header;
pub mod hosts;
pub mod interner;
pub mod matching;
mod needs;
mod regex;
pub mod route;
pub mod services;
pub mod table;

pub(crate) use regex::literal_prefix;
