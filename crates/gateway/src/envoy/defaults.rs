//! Values of the generated configuration that no resource sets, each with its reason. They are those
//! of Kuma 2.14 with the default policies of a new mesh, so that moving over changes nothing.
//!
//! What is Envoy's own default, or said already for the whole listener, is not said again on every
//! route: 15 s for a whole request, and [`STREAM_IDLE`]. In a table of ten thousand routes such words
//! cost Envoy more than the routes themselves.

use std::time::Duration;

/// What the gateway calls itself in the `server` header.
pub(super) const SERVER_NAME: &str = "Portolan";

/// Body of a virtual host without routes, so that a person sees that the host exists and what it lacks.
pub(crate) const NO_ROUTES: &str =
    "This is a Portolan MeshGateway. No routes match this MeshGateway!\n";

/// Bytes that Envoy buffers per connection, on both sides. An edge proxy has many connections from
/// people whom it does not know, so far below Envoy's 1 MiB.
pub(super) const CONNECTION_BUFFER: u32 = 32 * 1024;

/// How long a client's connection may stay without requests: long enough for a browser's keep-alive.
pub(super) const CLIENT_IDLE: Duration = Duration::from_secs(300);

/// How long a request may stay without a byte in either direction, against clients that hold streams.
pub(super) const STREAM_IDLE: Duration = Duration::from_secs(5);

/// How long a client may take for its headers, against those that send them byte by byte.
pub(super) const REQUEST_HEADERS: Duration = Duration::from_millis(500);

/// Requests at a time on one HTTP/2 connection: Envoy's advice for the edge.
pub(super) const HTTP2_STREAMS: u32 = 100;

/// Flow-control window of one HTTP/2 stream: Envoy's advice for the edge.
pub(super) const HTTP2_STREAM_WINDOW: u32 = 64 * 1024;

/// Flow-control window of one HTTP/2 connection: Envoy's advice for the edge.
pub(super) const HTTP2_CONNECTION_WINDOW: u32 = 1024 * 1024;

/// What an HTTPS listener offers: HTTP/2 to those who know it, HTTP/1.1 to all others.
pub(super) const ALPN: [&str; 2] = ["h2", "http/1.1"];

/// How long browsers shall insist on HTTPS for a host that they have seen with it: a year, with all
/// hosts below it.
pub(super) const STRICT_TRANSPORT_SECURITY: &str = "max-age=31536000; includeSubDomains";

/// How long a connection through a TCP or TLS listener may stay without a byte: as a client's of HTTP.
pub(super) const TCP_IDLE: Duration = CLIENT_IDLE;

/// How long a connection from another zone may stay without a byte: as Envoy has it, since both ends have
/// limits of their own.
pub(super) const PASSING_IDLE: Duration = Duration::from_secs(3600);

/// How many instances a connection through a TCP or TLS listener is tried with: as often as HTTP is tried
/// again.
pub(super) const TCP_CONNECTS: u32 = RETRIES;

/// Addresses that count as inside, so that `x-envoy-internal` is not set for clients from elsewhere.
pub(super) const INTERNAL_ADDRESSES: [(&str, u32); 7] = [
    ("10.0.0.0", 8),
    ("192.168.0.0", 16),
    ("172.16.0.0", 12),
    ("fc00::", 7),
    ("fd00::", 8),
    ("127.0.0.1", 32),
    ("::1", 128),
];

/// What is tried again: failures before a backend has begun to answer, and answers that say so.
pub(super) const RETRY_ON: &str = "gateway-error,connect-failure,refused-stream";

/// What is tried again of gRPC where a policy does not say: besides, what its statuses call passing.
pub(super) const GRPC_RETRY_ON: &str =
    "cancelled,connect-failure,gateway-error,refused-stream,reset,resource-exhausted,unavailable";

/// How often it is tried again.
pub(super) const RETRIES: u32 = 5;

/// How long one try may take. Above the 15 s for the whole request, so that alone it never ends one.
pub(super) const RETRY_TRY: Duration = Duration::from_secs(16);

/// The first wait before trying again.
pub(super) const RETRY_BACK_OFF: Duration = Duration::from_millis(25);

/// The longest wait before trying again.
pub(super) const RETRY_BACK_OFF_MOST: Duration = Duration::from_millis(250);

/// How long connecting to an instance may take.
pub(super) const CONNECT: Duration = Duration::from_secs(5);

/// How long a connection to an instance may stay without requests.
pub(super) const BACKEND_IDLE: Duration = Duration::from_secs(3600);

/// How long a member may take to connect with its application; this and the next two are above what
/// callers wait by default, so that these decide.
pub(super) const INBOUND_CONNECT: Duration = Duration::from_secs(10);

/// How long a connection to a member or to its application may stay without requests or bytes.
pub(super) const INBOUND_IDLE: Duration = Duration::from_secs(2 * 3600);

/// How long a request to a member may stay without a byte in either direction.
pub(super) const INBOUND_STREAM_IDLE: Duration = Duration::from_secs(3600);

/// Connections, waiting requests and requests that one cluster may have at a time: Envoy's own
/// default, written out so that they can be seen.
pub(super) const BACKEND_LIMIT: u32 = 1024;

/// Retries that one cluster may have at a time: Envoy's own default, written out so that it can be seen.
pub(super) const BACKEND_RETRIES: u32 = 3;

/// The header that tells a member's sidecar where a request comes from, for its rate limits and faults.
pub(super) const TAGS_HEADER: &str = "x-kuma-tags";
