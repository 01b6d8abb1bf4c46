//! Where access logs and traces go.

use std::fmt;

/// What backends are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Access logs.
    Logging,
    /// Traces.
    Tracing,
}

/// Where access logs go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogBackend {
    /// Its name in the mesh.
    pub name: Box<str>,
    /// What is written of a request or connection; nothing for the usual.
    pub format: Option<Box<str>>,
    /// Where it is written.
    pub target: LogTarget,
}

/// Where lines are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// To a file of this path on the proxy's machine.
    File(Box<str>),
    /// To whoever listens at this HOST:PORT.
    Tcp(Box<str>),
}

/// Where traces go.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceBackend {
    /// Its name in the mesh.
    pub name: Box<str>,
    /// Share of the requests that are traced, in percent; all if nothing is said.
    pub sampling: Option<f64>,
    /// Name or address of the collector.
    pub host: Box<str>,
    /// Its port.
    pub port: u16,
    /// Whether it is spoken to in TLS.
    pub tls: bool,
    /// What it takes.
    pub collector: Collector,
}

/// What a collector of traces takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Collector {
    /// Zipkin's spans.
    Zipkin(Zipkin),
    /// What Datadog's agent takes.
    Datadog,
}

/// How spans reach Zipkin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zipkin {
    /// The path to post to.
    pub path: Box<str>,
    /// What it is called in the Host header.
    pub authority: Box<str>,
    /// Whether ids of traces have 128 bits, not 64.
    pub long_ids: bool,
    /// Whether client and server share a span.
    pub shared_spans: Option<bool>,
    /// Protobuf instead of JSON.
    pub protobuf: bool,
}

impl LogBackend {
    /// Whether lines go to a collector, which Envoy itself does not do.
    pub fn is_collector(&self) -> bool {
        matches!(self.target, LogTarget::Tcp(_))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Logging => "logging",
            Self::Tracing => "tracing",
        })
    }
}
