//! What could not be compiled, and why: the part is left out, everything else goes on.

use std::{net::SocketAddr, sync::Arc};

use portolan_model::{Resource, ResourceKey};

use crate::plan::{port::Protocol, proxy::Part};

/// One part of one resource that is not in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{resource}: {field}: {reason}")]
pub struct Fault {
    /// The resource that has the part.
    pub resource: ResourceKey,
    /// Path of the part, as in `conf.http.rules[0].matches[1].path`.
    pub field: String,
    /// Why it was left out.
    pub reason: Reason,
}

impl Fault {
    /// A part of this resource.
    pub(crate) fn of(resource: &Resource, field: impl Into<String>, reason: Reason) -> Self {
        Self {
            resource: resource.key.clone(),
            field: field.into(),
            reason,
        }
    }
}

/// Why a part was left out. Validation refuses most of these when they are written; they still come
/// in by sync from a control plane that accepts them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Reason {
    /// A listener must say what it speaks.
    #[error("the listener has no protocol; use HTTP, HTTPS, TLS or TCP")]
    NoProtocol,
    /// A `crossMesh` listener in a mesh without mutual TLS.
    #[error(
        "without mutual TLS in its mesh, nobody can tell who comes: enable a backend in the Mesh's mtls"
    )]
    CrossMesh,
    /// A `crossMesh` listener of another protocol than HTTP.
    #[error("crossMesh listeners are of protocol HTTP")]
    CrossMeshProtocol,
    /// All listeners of one port are for members of any mesh, or none is.
    #[error("port {0} already has a listener with another crossMesh; use another port")]
    CrossMeshConflict(u16),
    /// Not a port.
    #[error("{0} is not a port; use one between 1 and 65535")]
    Port(u32),
    /// Two listeners of one port must differ in hostname.
    #[error("port {0} already has a listener for this hostname; remove one of them")]
    DuplicateHostname(u16),
    /// Two listeners of one port must speak the same.
    #[error("port {0} already serves {1}; use another port")]
    ProtocolConflict(u16, Protocol),
    /// A port has one limit.
    #[error("port {0} already has a limit of {1} connections; say the same everywhere")]
    LimitConflict(u16, u32),
    /// An encrypted listener must say what to do with TLS.
    #[error("nothing says what to do with TLS; give tls a mode")]
    NoTls,
    /// Nobody can read HTTP in TLS that goes on to the backend.
    #[error("HTTPS ends at the gateway; use mode TERMINATE, or protocol TLS")]
    HttpsPassthrough,
    /// TLS that ends here needs a certificate.
    #[error("there is no certificate; name the secret that has it")]
    NoCertificates,
    /// Files of a control plane are nobody's business but its own, and differ from zone to zone.
    #[error("certificates are not read from files; put it into a Secret")]
    CertificateFile,
    /// The Secret does not exist, or not yet.
    #[error("the mesh has no Secret {0:?}; create it")]
    NoSecret(Arc<str>),
    /// What the proxy would refuse. Says nothing of the content.
    #[error("the PEM text cannot be used: {0}")]
    Certificate(String),
    /// What has neither a host that can be reached nor a port.
    #[error("{0:?} cannot be reached; write HOST:PORT, where HOST is an IP address or a host name")]
    HostAndPort(String),
    /// A certificate without its key proves nothing.
    #[error("a client certificate needs clientCert and clientKey; give both, or none")]
    HalfClientCertificate,
    /// A field that is there, but empty.
    #[error("the data source is empty; name a secret, or give the PEM text itself")]
    NoData,
    /// Not a hostname.
    #[error("{0:?} is not a hostname; use a name, *.name or *")]
    Hostname(String),
    /// Envoy takes addresses, not names.
    #[error("{0:?} is not an IP address; give the address itself")]
    Address(String),
    /// The path cannot be the path of any request.
    #[error("{0:?} matches no path; paths begin with / and have neither ? nor #")]
    Path(String),
    /// Not a regular expression of RE2.
    #[error("{pattern:?} is not an RE2 regular expression: {problem}")]
    Regex {
        /// The expression.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Not the name of a header that may be used here.
    #[error("{0:?} cannot be used as a header name here")]
    HeaderName(String),
    /// Not the value of a header, or not what becomes a part of one.
    #[error(
        "{0:?} cannot be a header's value; control characters and a lone % (write %%) are not allowed"
    )]
    HeaderValue(String),
    /// Not the name of a query parameter.
    #[error("a query parameter needs a name of at most 1024 bytes")]
    QueryName,
    /// A filter without content, or of a kind that is not known here.
    #[error("the filter says nothing; remove it or fill it in")]
    EmptyFilter,
    /// A redirect answers by itself, so nothing else can be done with the request.
    #[error("a redirect excludes other filters and backends; keep one of them")]
    RedirectWithOthers,
    /// Status of a redirect.
    #[error("{0} is not a redirect; use 301, 302, 303, 307 or 308")]
    RedirectStatus(u32),
    /// A rule must send its requests somewhere.
    #[error("the rule has neither backends nor a redirect")]
    NoBackends,
    /// A destination without `kuma.io/service`.
    #[error("the destination has no kuma.io/service")]
    NoService,
    /// One address is one service.
    #[error("{0} already has an outbound; use another port")]
    DuplicateOutbound(SocketAddr),
    /// One address is one port of an application.
    #[error("{0} already has an inbound; use another port")]
    DuplicateInbound(SocketAddr),
    /// A destination that is a resource of a kind that is not known here.
    #[error("backendRef is not served; name the service by tags with kuma.io/service")]
    BackendRef,
    /// Several backends that all weigh nothing.
    #[error("all weights are 0; give at least one backend a weight")]
    NoWeight,
    /// The policy leaves the choice to the mesh, which makes none.
    #[error("it names no backend, and the mesh has no {0}.defaultBackend; set one of them")]
    NoDefaultBackend(Part),
    /// The policy names a backend that does not exist, or not yet.
    #[error("the mesh has no {0} backend {1:?}; add it to {0}.backends of the Mesh")]
    NoBackend(Part, String),
    /// A backend of a Mesh that says too little, or what is not known here.
    #[error("the backend cannot be used: {0}")]
    Backend(String),
    /// What Envoy would refuse as a format, and the whole listener with it.
    #[error("the format cannot be used: {0}")]
    LogFormat(String),
    /// A part of a ProxyTemplate that cannot be read, or of which Envoy would refuse what comes.
    #[error("{0}")]
    Modification(String),
    /// Envoy itself writes lines into files alone.
    #[error(
        "backend {0:?} is a collector, and the data plane of {1} passes no lines on; run it with \
         portolan dp run or kuma-dp, or use a backend of type file"
    )]
    NoLogPipe(String, Arc<str>),
    /// Envoy adds the weights in 32 bits.
    #[error("the weights add up to more than {}", u32::MAX)]
    TooMuchWeight,
    /// Waits between tries that Envoy does not take.
    #[error("give a baseInterval above 0, and a maxInterval that is not shorter")]
    BackOff,
    /// A fault on purpose that Envoy cannot inject.
    #[error("give a percentage from 0 to 100, and {0}")]
    Injection(&'static str),
    /// Not what is wanted there.
    #[error("use {0}")]
    Wanted(&'static str),
    /// A limit that Envoy does not take.
    #[error("give requests above 0, and an interval of at least 50ms")]
    RateLimit,
    /// An answer above a limit that Envoy does not know.
    #[error("{0} is no status for requests above a limit; use one such as 429 or 503")]
    LimitStatus(u32),
    /// Envoy adds only so many headers there.
    #[error("only {0} headers can be added here; remove this one or another")]
    TooManyHeaders(usize),
}
