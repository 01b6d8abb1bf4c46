//! HealthCheck: how a gateway finds out by itself which instances are well.

use std::time::Duration;

use bytes::Bytes;
use portolan_model::Resource;
use portolan_proto::{
    mesh::{
        self,
        health_check::{Conf as Spec, conf},
    },
    well_known,
};

use super::{Conf, Policy, given};
use crate::{
    fault::{Fault, Reason},
    plan::header,
};

/// How instances are asked, and what follows.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthCheck {
    /// Between two checks of an instance that is in use.
    pub interval: Duration,
    /// Between two checks while nobody uses the service.
    pub idle_interval: Option<Duration>,
    /// How long the answer may take.
    pub timeout: Duration,
    /// So many failures in a row take an instance out; at least one.
    pub unhealthy: u32,
    /// So many successes in a row bring it back; at least one.
    pub healthy: u32,
    /// The longest random wait before the first check.
    pub initial_jitter: Option<Duration>,
    /// The longest random wait that is added to an interval.
    pub jitter: Option<Duration>,
    /// The same, in percent of the interval.
    pub jitter_percent: u32,
    /// Whether checks of an instance share a connection.
    pub reuse: Option<bool>,
    /// Where Envoy writes what changes; nowhere if this is empty.
    pub log: String,
    /// Whether it writes each failure.
    pub log_always: bool,
    /// With fewer percent of healthy instances all are used, or none.
    pub panic: Option<f64>,
    /// Whether it is none.
    pub fail_on_panic: Option<bool>,
    /// Bytes.
    pub tcp: Option<TcpCheck>,
    /// A request.
    pub http: Option<HttpCheck>,
}

/// What is sent and what must come back; a connection is enough if nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpCheck {
    /// What is sent; not empty.
    pub send: Option<Bytes>,
    /// What must come back in this order, others between them; none is empty.
    pub receive: Box<[Bytes]>,
}

/// The request, and which answers are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCheck {
    /// Its path; not empty.
    pub path: String,
    /// Headers that it gets.
    pub headers: Box<[CheckHeader]>,
    /// Good statuses; 200 if there are none.
    pub statuses: Box<[u32]>,
}

/// A header of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckHeader {
    /// Its name.
    pub name: String,
    /// Its value, in which Envoy fills in `%COMMANDS%`.
    pub value: String,
    /// Whether it stands beside another of its name, and not in its place.
    pub append: bool,
}

impl Conf for HealthCheck {
    fn read(resource: &Resource, faults: &mut Vec<Fault>) -> Option<Policy<Self>> {
        // Stores hold only specs that are messages of their kind.
        let spec: mesh::HealthCheck = resource.spec_as().ok()?;
        let mut reader = Reader { resource, faults };
        let conf = reader.conf(spec.conf.unwrap_or_default())?;
        Some(Policy::new(resource, spec.sources, spec.destinations, conf))
    }
}

/// Reads values, and tells of those that Envoy would refuse.
struct Reader<'a> {
    resource: &'a Resource,
    faults: &'a mut Vec<Fault>,
}

impl Reader<'_> {
    fn left_out(&mut self, field: &str, reason: Reason) {
        let field = format!("conf.{field}");
        self.faults.push(Fault::of(self.resource, field, reason));
    }

    /// Nothing without times to check in.
    fn conf(&mut self, spec: Spec) -> Option<HealthCheck> {
        let times = ["interval", "timeout"]
            .iter()
            .zip([spec.interval, spec.timeout]);
        let times: Vec<_> = times
            .map(|(field, time)| {
                let usable = given(time).filter(|time| !time.is_zero());
                if usable.is_none() {
                    self.left_out(field, Reason::Wanted("a time above 0"));
                }
                usable
            })
            .collect();
        let [Some(interval), Some(timeout)] = times[..] else {
            return None;
        };
        Some(HealthCheck {
            interval,
            timeout,
            idle_interval: self.span("noTrafficInterval", spec.no_traffic_interval),
            unhealthy: spec.unhealthy_threshold.max(1),
            healthy: spec.healthy_threshold.max(1),
            initial_jitter: self.span("initialJitter", spec.initial_jitter),
            jitter: self.span("intervalJitter", spec.interval_jitter),
            jitter_percent: spec.interval_jitter_percent,
            reuse: spec.reuse_connection.map(|reuse| reuse.value),
            log: spec.event_log_path,
            log_always: spec
                .always_log_health_check_failures
                .is_some_and(|always| always.value),
            panic: self.panic(spec.healthy_panic_threshold),
            fail_on_panic: spec.fail_traffic_on_panic.map(|fail| fail.value),
            tcp: spec.tcp.map(|tcp| self.tcp(tcp)),
            http: spec.http.and_then(|http| self.http(http)),
        })
    }

    fn span(&mut self, field: &str, value: Option<well_known::Duration>) -> Option<Duration> {
        let usable = given(value).filter(|value| !value.is_zero());
        if value.is_some() && usable.is_none() {
            self.left_out(field, Reason::Wanted("a time above 0"));
        }
        usable
    }

    fn panic(&mut self, threshold: Option<well_known::FloatValue>) -> Option<f64> {
        let threshold = f64::from(threshold?.value);
        if (0.0..=100.0).contains(&threshold) {
            return Some(threshold);
        }
        let wanted = Reason::Wanted("a percentage from 0 to 100");
        self.left_out("healthyPanicThreshold", wanted);
        None
    }

    fn tcp(&mut self, tcp: conf::Tcp) -> TcpCheck {
        let mut payload = |field: &str, bytes: well_known::BytesValue| {
            let bytes: Bytes = bytes.value;
            if bytes.is_empty() {
                self.left_out(field, Reason::Wanted("at least one byte"));
                return None;
            }
            Some(bytes)
        };
        let send = tcp.send.and_then(|bytes| payload("tcp.send", bytes));
        let receive = tcp.receive.into_iter().enumerate();
        let receive = receive
            .filter_map(|(position, bytes)| payload(&format!("tcp.receive[{position}]"), bytes));
        TcpCheck {
            receive: receive.collect(),
            send,
        }
    }

    fn http(&mut self, http: conf::Http) -> Option<HttpCheck> {
        if http.path.is_empty() || header::plain_value(&http.path).is_err() {
            self.left_out("http.path", Reason::Path(http.path));
            return None;
        }
        let mut headers = Vec::new();
        for (position, option) in http.request_headers_to_add.into_iter().enumerate() {
            let given = option.header.unwrap_or_default();
            let usable = header::writable_name(&given.key)
                .and_then(|()| header::formatted_value(&given.value));
            match usable {
                Err(reason) => {
                    self.left_out(&format!("http.requestHeadersToAdd[{position}]"), reason);
                }
                Ok(()) => headers.push(CheckHeader {
                    name: given.key,
                    value: given.value,
                    append: option.append.is_none_or(|append| append.value),
                }),
            }
        }
        let mut statuses = Vec::new();
        for (position, status) in http.expected_statuses.iter().enumerate() {
            if (100..600).contains(&status.value) {
                statuses.push(status.value);
            } else {
                let wanted = Reason::Wanted("a status from 100 to 599");
                self.left_out(&format!("http.expectedStatuses[{position}]"), wanted);
            }
        }
        Some(HttpCheck {
            path: http.path,
            headers: headers.into(),
            statuses: statuses.into(),
        })
    }
}
