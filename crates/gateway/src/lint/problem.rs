//! Warnings, and what they say.

use portolan_model::ResourceKey;

use crate::fault::Reason;

/// Something that the author of a resource should know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Warning {
    /// The resource.
    pub resource: ResourceKey,
    /// The part that it is about.
    pub field: String,
    /// What is the matter.
    pub problem: Problem,
}

/// What can be the matter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The part is not in any configuration.
    #[error("left out: {0}")]
    LeftOut(String),
    /// No listener's tags match.
    #[error("no listener of any MeshGateway has these tags, so the route takes no requests")]
    NoListener,
    /// Listeners' tags match, what they speak does not.
    #[error(
        "only listeners for {0} have these tags, which take no {1} rules, so the route takes nothing"
    )]
    OtherProtocol(String, &'static str),
    /// Listeners' tags match, their hostnames do not.
    #[error("no listener that the route selects takes {0}")]
    NoHost(String),
    /// No instance of a backend anywhere.
    #[error("no zone has an instance of {0}, so its requests get 503")]
    NoInstances(String),
    /// The same where no requests are read.
    #[error("no zone has an instance of {0}, so its connections are closed")]
    NoInstancesForConnections(String),
    /// External services that are closed to everybody who is sent there.
    #[error(
        "no TrafficPermission lets any gateway with this route reach {0}, so nothing is served there"
    )]
    NotPermitted(String),
    /// A certificate that cannot be had.
    #[error("connections to port {port} for {hostname} are closed: {reason}")]
    NoCertificate {
        /// The port.
        port: u16,
        /// The listener's hostname.
        hostname: String,
        /// Why there is none.
        reason: Reason,
    },
    /// An external service that anybody on the way can pass for.
    #[error(
        "the certificate is not checked, so anybody on the way can pass for the service; name the authority that issued it in networking.tls.caCert"
    )]
    Unchecked,
    /// Another rule takes all requests.
    #[error("never takes a request: {by} takes all of them before ({conditions})")]
    Shadowed {
        /// The other rule.
        by: String,
        /// What it asks.
        conditions: String,
    },
    /// No gateway instance runs the MeshGateway.
    #[error("no BUILTIN gateway Dataplane of any zone has these tags, so nothing listens")]
    NoDataplane,
    /// All that could run it run another.
    #[error(
        "the Dataplanes with these tags run MeshGateway {0}, whose selectors are more specific or which is newer"
    )]
    Outranked(String),
    /// More of the same.
    #[error("there are {0} more warnings")]
    More(usize),
}
