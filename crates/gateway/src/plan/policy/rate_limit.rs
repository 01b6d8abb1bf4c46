//! RateLimit: how many requests a gateway instance takes in a time.

use std::time::Duration;

use portolan_model::Resource;
use portolan_proto::mesh::{
    self,
    rate_limit::conf::http::{OnRateLimit, on_rate_limit::HeaderValue},
};

use super::{Acts, Conf, Policy, given};
use crate::{
    fault::{Fault, Reason},
    plan::header,
};

/// The shortest interval that Envoy takes.
const SHORTEST: Duration = Duration::from_millis(50);

/// Most headers that Envoy adds to an answer above the limit.
const MOST_HEADERS: usize = 10;

/// Statuses from 400 that Envoy knows.
const STATUSES: [(u32, u32); 8] = [
    (400, 417),
    (421, 424),
    (426, 426),
    (428, 429),
    (431, 431),
    (500, 508),
    (510, 510),
    (511, 511),
];

/// A limit, or none: one that says nothing frees connections from less specific ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateLimit {
    /// The limit.
    pub limit: Option<Limit>,
}

/// So many requests in so much time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many; at least one.
    pub requests: u32,
    /// In which time; at least 50 ms.
    pub interval: Duration,
    /// Status of the answer above the limit, from 400; 429 if none is given.
    pub status: Option<u32>,
    /// Headers of that answer; at most ten.
    pub headers: Box<[AnswerHeader]>,
}

/// A header of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerHeader {
    /// Its name.
    pub name: Box<str>,
    /// Its value, in which Envoy fills in `%COMMANDS%`.
    pub value: Box<str>,
    /// Whether it stands beside another of its name, and not in its place.
    pub append: bool,
}

impl Conf for RateLimit {
    fn read(resource: &Resource, faults: &mut Vec<Fault>) -> Option<Policy<Self>> {
        // Stores hold only specs that are messages of their kind.
        let spec: mesh::RateLimit = resource.spec_as().ok()?;
        let Some(http) = spec.conf.unwrap_or_default().http else {
            let none = Self::default();
            return Some(Policy::new(resource, spec.sources, spec.destinations, none));
        };
        let interval = given(http.interval).filter(|interval| *interval >= SHORTEST);
        let (Some(interval), 1..) = (interval, http.requests) else {
            faults.push(Fault::of(resource, "conf.http", Reason::RateLimit));
            return None;
        };
        let answer = http.on_rate_limit.unwrap_or_default();
        let mut left_out = |field: String, reason| {
            let field = format!("conf.http.onRateLimit.{field}");
            faults.push(Fault::of(resource, field, reason));
        };
        let limit = Limit {
            requests: http.requests,
            interval,
            status: status(&answer, &mut left_out),
            headers: headers(answer.headers, &mut left_out),
        };
        let conf = Self { limit: Some(limit) };
        Some(Policy::new(resource, spec.sources, spec.destinations, conf))
    }

    fn acts(&self, all: Acts) -> Acts {
        Acts {
            on_routes: all.on_routes && self.limit.is_some(),
            ..all
        }
    }
}

fn status(answer: &OnRateLimit, left_out: &mut impl FnMut(String, Reason)) -> Option<u32> {
    let status = answer.status.as_ref()?.value;
    let mut known = STATUSES.iter();
    if known.any(|(first, last)| (*first..=*last).contains(&status)) {
        return Some(status);
    }
    left_out("status".to_owned(), Reason::LimitStatus(status));
    None
}

fn headers(
    given: Vec<HeaderValue>,
    left_out: &mut impl FnMut(String, Reason),
) -> Box<[AnswerHeader]> {
    let mut headers = Vec::new();
    for (position, HeaderValue { key, value, append }) in given.into_iter().enumerate() {
        let field = format!("headers[{position}]");
        let usable = header::writable_name(&key).and_then(|()| header::formatted_value(&value));
        match usable {
            Err(reason) => left_out(field, reason),
            Ok(()) if headers.len() == MOST_HEADERS => {
                left_out(field, Reason::TooManyHeaders(MOST_HEADERS));
            }
            Ok(()) => headers.push(AnswerHeader {
                name: key.into(),
                value: value.into(),
                append: append.is_some_and(|append| append.value),
            }),
        }
    }
    headers.into()
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::r#type::v3::StatusCode;

    use super::*;

    #[test]
    fn envoy_knows_exactly_these_statuses() {
        for status in 400..1_000 {
            let mut refused = false;
            let answer = OnRateLimit {
                status: Some(status.into()),
                ..OnRateLimit::default()
            };
            let read = super::status(&answer, &mut |_, _| refused = true);
            let known = i32::try_from(status).is_ok_and(|code| StatusCode::try_from(code).is_ok());
            assert_eq!(read.is_some(), known, "{status}");
            assert_eq!(refused, !known, "{status}");
        }
    }
}
