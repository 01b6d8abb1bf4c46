//! Retry: when and how often what failed is tried again.

use std::time::Duration;

use portolan_model::Resource;
use portolan_proto::{
    mesh::{
        self, HttpMethod, HttpRetryOn,
        retry::conf::{self, grpc},
    },
    well_known::UInt32Value,
};

use super::{Acts, Conf, Policy, given};
use crate::fault::{Fault, Reason};

/// What is tried again, for each protocol that the policy speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    /// Requests.
    pub http: Option<HttpRetry>,
    /// Requests to backends that speak gRPC, and all requests if there is nothing for HTTP.
    pub grpc: Option<GrpcRetry>,
    /// How many instances a connection through a TCP proxy is tried with; at least one.
    pub connects: Option<u32>,
}

/// Retries of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpRetry {
    /// How often.
    pub tries: Tries,
    /// On which failures; none for the usual ones.
    pub on: Box<[HttpRetryOn]>,
    /// On which statuses of the answer besides.
    pub statuses: Box<[u32]>,
    /// Requests with which methods; none for all.
    pub methods: Box<[HttpMethod]>,
}

/// Retries of calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrpcRetry {
    /// How often.
    pub tries: Tries,
    /// On which statuses of a call; none for the usual failures.
    pub on: Box<[grpc::RetryOn]>,
}

/// How often something is tried again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// Most retries.
    pub most: Option<u32>,
    /// How long one try may take.
    pub timeout: Option<Duration>,
    /// The first wait before trying again, and the longest.
    pub back_off: Option<(Duration, Option<Duration>)>,
}

impl Conf for Retry {
    fn read(resource: &Resource, faults: &mut Vec<Fault>) -> Option<Policy<Self>> {
        // Stores hold only specs that are messages of their kind.
        let spec: mesh::Retry = resource.spec_as().ok()?;
        let conf = spec.conf.unwrap_or_default();
        let mut tries = |section, number, timeout, back_off| {
            let tries = Tries::read(number, timeout, back_off);
            tries.unwrap_or_else(|(reason, tries)| {
                let field = format!("conf.{section}.backOff");
                faults.push(Fault::of(resource, field, reason));
                tries
            })
        };
        let conf = Self {
            http: conf.http.map(|http| HttpRetry {
                on: http.retry_on().collect(),
                methods: http
                    .retriable_methods()
                    .filter(|method| *method != HttpMethod::None)
                    .collect(),
                statuses: http.retriable_status_codes.into(),
                tries: tries(
                    "http",
                    http.num_retries,
                    http.per_try_timeout,
                    http.back_off,
                ),
            }),
            grpc: conf.grpc.map(|grpc| GrpcRetry {
                on: grpc.retry_on().collect(),
                tries: tries(
                    "grpc",
                    grpc.num_retries,
                    grpc.per_try_timeout,
                    grpc.back_off,
                ),
            }),
            connects: conf
                .tcp
                .map(|tcp| tcp.max_connect_attempts)
                .filter(|connects| *connects > 0),
        };
        Some(Policy::new(resource, spec.sources, spec.destinations, conf))
    }

    fn acts(&self, all: Acts) -> Acts {
        Acts {
            on_routes: all.on_routes && (self.http.is_some() || self.grpc.is_some()),
            on_tcp: all.on_tcp && self.connects.is_some(),
            ..all
        }
    }
}

impl Tries {
    /// Reads what all protocols have; without the waits if Envoy would refuse these.
    fn read(
        most: Option<UInt32Value>,
        timeout: Option<portolan_proto::well_known::Duration>,
        back_off: Option<conf::BackOff>,
    ) -> Result<Self, (Reason, Self)> {
        let mut tries = Self {
            most: most.map(|most| most.value),
            timeout: given(timeout).filter(|timeout| !timeout.is_zero()),
            back_off: None,
        };
        let Some(back_off) = back_off else {
            return Ok(tries);
        };
        let max = given(back_off.max_interval).filter(|max| !max.is_zero());
        match given(back_off.base_interval) {
            Some(base) if !base.is_zero() && max.is_none_or(|max| max >= base) => {
                tries.back_off = Some((base, max));
                Ok(tries)
            }
            _ => Err((Reason::BackOff, tries)),
        }
    }
}
