//! What a Mesh says about where access logs and traces go.

use std::{collections::BTreeMap, sync::Arc};

use portolan_model::ResourceKey;
use portolan_proto::{
    mesh::{
        DatadogTracingBackendConfig, FileLoggingBackendConfig, LoggingBackend, Mesh,
        TcpLoggingBackendConfig, TracingBackend, ZipkinTracingBackendConfig,
    },
    well_known::Struct,
};
use serde::de::DeserializeOwned;

use super::{
    backend::{Collector, LogBackend, LogTarget, Part, TraceBackend, Zipkin},
    format,
};
use crate::fault::{Fault, Reason};

/// The backends of a mesh.
#[derive(Clone, Debug, Default)]
pub(super) struct Backends {
    pub(super) logging: Named<LogBackend>,
    pub(super) tracing: Named<TraceBackend>,
}

/// Backends of one part, by name.
#[derive(Clone, Debug)]
pub(super) struct Named<B> {
    default: Box<str>,
    by_name: BTreeMap<Box<str>, Result<Arc<B>, Fault>>,
}

/// Why there is no backend.
pub(super) enum NotThere {
    /// The mesh has none of that name.
    Unknown(Reason),
    /// It has, and it cannot be used.
    Unusable(Box<Fault>),
}

impl Backends {
    pub(super) fn read(key: &ResourceKey, mesh: &Mesh) -> Self {
        let logging = mesh.logging.clone().unwrap_or_default();
        let logs = logging.backends.iter().enumerate();
        let logs = logs.map(|(position, backend)| {
            let read = LogBackend::read(backend).map_err(|(field, reason)| Fault {
                resource: key.clone(),
                field: format!("logging.backends[{position}].{field}"),
                reason,
            });
            (backend.name.as_str().into(), read.map(Arc::new))
        });
        let tracing = mesh.tracing.clone().unwrap_or_default();
        let traces = tracing.backends.iter().enumerate();
        let traces = traces.map(|(position, backend)| {
            let read = TraceBackend::read(backend).map_err(|(field, reason)| Fault {
                resource: key.clone(),
                field: format!("tracing.backends[{position}].{field}"),
                reason,
            });
            (backend.name.as_str().into(), read.map(Arc::new))
        });
        Self {
            tracing: Named {
                default: tracing.default_backend.as_str().into(),
                by_name: traces.collect(),
            },
            logging: Named {
                default: logging.default_backend.as_str().into(),
                by_name: logs.collect(),
            },
        }
    }
}

impl<B> Named<B> {
    /// The backend of this name; an empty one means the default.
    pub(super) fn get(&self, name: &str, part: Part) -> Result<&Arc<B>, NotThere> {
        let name = if name.is_empty() { &self.default } else { name };
        if name.is_empty() {
            return Err(NotThere::Unknown(Reason::NoDefaultBackend(part)));
        }
        match self.by_name.get(name) {
            Some(Ok(backend)) => Ok(backend),
            Some(Err(fault)) => Err(NotThere::Unusable(Box::new(fault.clone()))),
            None => Err(NotThere::Unknown(Reason::NoBackend(part, name.to_owned()))),
        }
    }
}

impl<B> Default for Named<B> {
    fn default() -> Self {
        Self {
            default: Box::default(),
            by_name: BTreeMap::new(),
        }
    }
}

type Refused = (&'static str, Reason);

impl LogBackend {
    fn read(backend: &LoggingBackend) -> Result<Self, Refused> {
        let conf = backend.conf.as_ref();
        let target = match backend.r#type.as_str() {
            "file" => LogTarget::File(given(config::<FileLoggingBackendConfig>(conf)?.path)?),
            "tcp" => LogTarget::Tcp(given(config::<TcpLoggingBackendConfig>(conf)?.address)?),
            other => return Err(unknown_type(other)),
        };
        let format = backend.format.as_str();
        format::check(format).map_err(|problem| ("format", Reason::LogFormat(problem)))?;
        Ok(Self {
            name: backend.name.as_str().into(),
            format: (!format.is_empty()).then(|| format.into()),
            target,
        })
    }
}

impl TraceBackend {
    fn read(backend: &TracingBackend) -> Result<Self, Refused> {
        let conf = backend.conf.as_ref();
        let (tls, host, port, collector) = match backend.r#type.as_str() {
            "zipkin" => {
                let conf: ZipkinTracingBackendConfig = config(conf)?;
                let url = Url::read(&conf.url).ok_or_else(|| {
                    let text = format!("{:?} is no URL as http://HOST:PORT/PATH", conf.url);
                    ("conf.url", Reason::Backend(text))
                })?;
                let zipkin = Zipkin {
                    path: url.path.into(),
                    authority: url.authority.into(),
                    long_ids: conf.trace_id128bit,
                    shared_spans: conf.shared_span_context.map(|shared| shared.value),
                    protobuf: conf.api_version == "httpProto",
                };
                (
                    url.tls,
                    url.host.into(),
                    url.port,
                    Collector::Zipkin(zipkin),
                )
            }
            "datadog" => {
                let conf: DatadogTracingBackendConfig = config(conf)?;
                let port = u16::try_from(conf.port).ok().filter(|port| *port != 0);
                let port = port.ok_or(("conf.port", Reason::Port(conf.port)))?;
                (false, given(conf.address)?, port, Collector::Datadog)
            }
            other => return Err(unknown_type(other)),
        };
        Ok(Self {
            name: backend.name.as_str().into(),
            sampling: backend.sampling.as_ref().map(|sampling| sampling.value),
            host,
            port,
            tls,
            collector,
        })
    }
}

/// The parts of a URL that a collector is reached by.
struct Url<'a> {
    tls: bool,
    authority: &'a str,
    host: &'a str,
    port: u16,
    path: &'a str,
}

impl<'a> Url<'a> {
    fn read(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let authority = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        let (host, port) = authority.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let path = &path[..path.find(['?', '#']).unwrap_or(path.len())];
        (!host.is_empty()).then_some(Self {
            tls: scheme.eq_ignore_ascii_case("https"),
            authority,
            host,
            port,
            path: if path.is_empty() { "/" } else { path },
        })
    }
}

fn unknown_type(name: &str) -> Refused {
    (
        "type",
        Reason::Backend(format!("nothing is known of type {name:?}")),
    )
}

fn given(text: String) -> Result<Box<str>, Refused> {
    match text.as_str() {
        "" => Err(("conf", Reason::Backend("it says not where to".to_owned()))),
        _ => Ok(text.into()),
    }
}

/// The configuration of a backend, whose type says what it is.
fn config<T: Default + DeserializeOwned>(conf: Option<&Struct>) -> Result<T, Refused> {
    let Some(conf) = conf else {
        return Ok(T::default());
    };
    let value = serde_json::to_value(conf).and_then(|mut value| {
        // All numbers of a `Struct` are floats, which no port takes.
        portolan_model::json::shorten_numbers(&mut value);
        serde_json::from_value(value)
    });
    value.map_err(|error| ("conf", Reason::Backend(error.to_string())))
}
