//! The resources that the demo writes, as a user would.

/// Where the gateways listen.
pub(crate) const PORT: u16 = 8080;
/// The host that they serve.
pub(crate) const HOST: &str = "foo.example.com";

/// The gateway and its routes.
pub(crate) const GATEWAY: &str = "\
type: MeshGateway
mesh: default
name: edge
selectors:
- match:
    kuma.io/service: edge-gateway
conf:
  listeners:
  - port: 8080
    protocol: HTTP
    hostname: foo.example.com
    tags:
      port: http/8080
---
type: MeshGatewayRoute
mesh: default
name: web
selectors:
- match:
    kuma.io/service: edge-gateway
    port: http/8080
conf:
  http:
    rules:
    - matches:
      - path: { match: PREFIX, value: / }
      backends:
      - destination: { kuma.io/service: frontend }
---
type: MeshGatewayRoute
mesh: default
name: api
selectors:
- match:
    kuma.io/service: edge-gateway
    port: http/8080
conf:
  http:
    rules:
    - matches:
      - path: { match: PREFIX, value: /api }
      backends:
      - destination: { kuma.io/service: api }
";

/// One more instance of the gateway in zone-1, on its pool.
pub(crate) const INSTANCE: &str = "\
type: MeshGatewayInstance
mesh: default
name: edge-gateway
tags:
  kuma.io/service: edge-gateway
replicas: 0
zoneReplicas:
  zone-1: 1
";

/// A mesh whose members are connected by mutual TLS, and a gateway in it.
pub(crate) const SECURE: &str = "\
type: Mesh
name: secure
mtls:
  enabledBackend: ca-1
  backends:
  - name: ca-1
    type: builtin
---
type: TrafficPermission
mesh: secure
name: to-bank
sources:
- match: { kuma.io/service: vault }
destinations:
- match: { kuma.io/service: bank }
---
type: MeshGateway
mesh: secure
name: vault
selectors:
- match: { kuma.io/service: vault }
conf:
  listeners:
  - port: 8080
    protocol: HTTP
---
type: MeshGatewayRoute
mesh: secure
name: bank
selectors:
- match: { kuma.io/service: vault }
conf:
  http:
    rules:
    - matches:
      - path: { match: PREFIX, value: / }
      backends:
      - destination: { kuma.io/service: bank }
";

/// A service of that mesh, reached through the same gateway, with a limit and with retries.
pub(crate) const ARCHIVE: &str = "\
type: MeshGatewayRoute
mesh: secure
name: archive
selectors:
- match: { kuma.io/service: vault }
conf:
  http:
    rules:
    - matches:
      - path: { match: PREFIX, value: /archive }
      backends:
      - destination: { kuma.io/service: archive }
---
type: TrafficPermission
mesh: secure
name: to-archive
sources:
- match: { kuma.io/service: vault }
destinations:
- match: { kuma.io/service: archive }
---
type: Retry
mesh: secure
name: archive
sources:
- match: { kuma.io/service: vault }
destinations:
- match: { kuma.io/service: archive }
conf:
  http:
    numRetries: 3
    retryOn: [all_5xx]
---
type: RateLimit
mesh: secure
name: archive
sources:
- match: { kuma.io/service: vault }
destinations:
- match: { kuma.io/service: archive }
conf:
  http:
    requests: 20
    interval: 10s
";

/// The same permission for somebody else.
pub(crate) const FOR_OTHERS: &str = "\
type: TrafficPermission
mesh: secure
name: to-bank
sources:
- match: { kuma.io/service: office }
destinations:
- match: { kuma.io/service: bank }
";

/// A route that sends `/api` to `service`.
pub(crate) fn api_route(service: &str) -> serde_json::Value {
    serde_json::json!({
        "type": "MeshGatewayRoute",
        "mesh": "default",
        "name": "api",
        "selectors": [{ "match": { "kuma.io/service": "edge-gateway", "port": "http/8080" } }],
        "conf": { "http": { "rules": [{
            "matches": [{ "path": { "match": "PREFIX", "value": "/api" } }],
            "backends": [{ "destination": { "kuma.io/service": service } }],
        }] } },
    })
}
