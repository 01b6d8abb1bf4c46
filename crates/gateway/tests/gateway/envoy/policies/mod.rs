//! What each kind of policy does to requests and connections.

mod circuit_breaker;
mod fault_injection;
mod health_check;
mod rate_limit;
mod retry;
mod retry_grpc;
mod timeout;

use std::{
    fmt::Write as _,
    thread,
    time::{Duration, Instant},
};

use super::process::PATIENCE;

/// A service: its name, the protocol that it says it speaks, and the ports of its instances.
type Service<'a> = (&'a str, &'a str, &'a [u16]);

/// The instances of services on loopback.
fn members(services: &[Service<'_>]) -> String {
    let mut yaml = String::new();
    for (name, protocol, ports) in services {
        let called = name.replace('/', ".");
        for (number, port) in ports.iter().enumerate() {
            let _ = write!(
                yaml,
                "
---
type: Dataplane
name: {called}-{number}
networking:
  address: 127.0.0.1
  inbound: [{{port: {port}, tags: {{kuma.io/service: {name}, kuma.io/protocol: {protocol}}}}}]
"
            );
        }
    }
    yaml
}

/// A gateway on this port, on which requests for `/NAME` go to the service of this name.
fn edge(port: u16, services: &[Service<'_>]) -> String {
    let rules: String = services
        .iter()
        .map(|(name, ..)| {
            format!(
                "  - matches: [{{path: {{match: PREFIX, value: /{name}}}}}]
    backends: [{{destination: {{kuma.io/service: {name}}}}}]
"
            )
        })
        .collect();
    format!(
        "
type: Dataplane
name: gateway
networking:
  address: 127.0.0.1
  gateway: {{type: BUILTIN, tags: {{kuma.io/service: edge}}}}
---
type: MeshGateway
name: edge
selectors: [{{match: {{kuma.io/service: edge}}}}]
conf: {{listeners: [{{port: {port}, protocol: HTTP}}]}}
---
type: MeshGatewayRoute
name: services
selectors: [{{match: {{kuma.io/service: edge}}}}]
conf:
 http:
  rules:
{rules}{}",
        members(services)
    )
}

/// A policy of this kind for one service, after which more tags may stand.
fn policy(kind: &str, service: &str, conf: &str) -> String {
    let called = service.split(',').next().unwrap_or_default();
    let called = called.trim_matches('\'').replace('*', "all");
    let name = format!("{}-{called}", kind.to_lowercase());
    format!(
        "
---
type: {kind}
name: {name}
sources: [{{match: {{kuma.io/service: edge}}}}]
destinations: [{{match: {{kuma.io/service: {service}}}}}]
conf: {conf}
"
    )
}

/// Whether this holds before patience ends.
fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if holds() {
            return true;
        }
        thread::sleep(Duration::from_millis(2));
    }
    false
}
