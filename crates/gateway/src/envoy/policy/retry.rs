//! Retry.

use std::{borrow::Cow, time::Duration};

use envoy_types::pb::envoy::{
    config::route::v3::{
        HeaderMatcher, RetryPolicy, header_matcher::HeaderMatchSpecifier,
        retry_policy::RetryBackOff,
    },
    r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern},
};
use portolan_proto::mesh::{HttpMethod, HttpRetryOn, retry::conf::grpc};

use crate::{
    envoy::{defaults, duration, number, writer::Writer},
    plan::policy::{Chosen, Defaults, GrpcRetry, HttpRetry, Retry, Tries},
};

/// `RouteAction.retry_policy`
const RETRY_POLICY: u32 = 9;

/// What Envoy calls a condition that a list of statuses stands for.
const STATUSES: &str = "retriable-status-codes";

/// Writes the retry policy of a `RouteAction`, unless that of its virtual host is right for it.
/// `speaks_grpc` if all its backends are said to.
pub(super) fn route_action(chosen: &Chosen, speaks_grpc: bool, out: &mut Writer) {
    let own = chosen.retry.as_ref();
    let own = own.and_then(|policy| of_requests(&policy.conf, speaks_grpc));
    if let Some(policy) = own.or_else(|| patient(chosen)) {
        out.message(RETRY_POLICY, &policy);
    }
}

/// How often a TCP proxy tries to connect.
pub(in crate::envoy) fn connects(chosen: &Chosen) -> u32 {
    let retry = chosen.retry.as_ref();
    let connects = retry.and_then(|policy| policy.conf.connects);
    connects.unwrap_or(defaults::TCP_CONNECTS)
}

/// What is tried again where no policy says so; nothing if the mesh has this default switched off.
pub(in crate::envoy) fn default(defaults: Defaults) -> Option<RetryPolicy> {
    defaults.retries.then(built_in)
}

fn built_in() -> RetryPolicy {
    RetryPolicy {
        retry_on: defaults::RETRY_ON.to_owned(),
        num_retries: number(defaults::RETRIES),
        per_try_timeout: duration(defaults::RETRY_TRY),
        retry_back_off: Some(RetryBackOff {
            base_interval: duration(defaults::RETRY_BACK_OFF),
            max_interval: duration(defaults::RETRY_BACK_OFF_MOST),
        }),
        ..RetryPolicy::default()
    }
}

/// The default for a route whose requests may take longer than one try by default may: that would end and
/// repeat them.
fn patient(chosen: &Chosen) -> Option<RetryPolicy> {
    let request = chosen.timeout.as_ref()?.conf.request?;
    let unlimited = request == Duration::ZERO;
    let long = unlimited || request >= defaults::RETRY_TRY;
    (long && chosen.defaults.retries).then(|| RetryPolicy {
        per_try_timeout: None,
        ..built_in()
    })
}

/// Nothing if the policy says nothing of requests.
fn of_requests(retry: &Retry, speaks_grpc: bool) -> Option<RetryPolicy> {
    match (&retry.http, &retry.grpc) {
        (Some(_), Some(grpc)) if speaks_grpc => Some(of_grpc(grpc)),
        (Some(http), _) => Some(of_http(http)),
        (None, grpc) => grpc.as_ref().map(of_grpc),
    }
}

fn of_http(http: &HttpRetry) -> RetryPolicy {
    let mut on: Vec<_> = http.on.iter().map(http_condition).collect();
    if on.is_empty() {
        on.push(defaults::RETRY_ON.into());
    }
    if !http.statuses.is_empty() && !on.iter().any(|one| one == STATUSES) {
        on.push(STATUSES.into());
    }
    RetryPolicy {
        retriable_status_codes: http.statuses.to_vec(),
        retriable_request_headers: http.methods.iter().map(is_method).collect(),
        ..with_tries(&http.tries, on.join(","))
    }
}

fn of_grpc(grpc: &GrpcRetry) -> RetryPolicy {
    let on: Vec<_> = grpc.on.iter().map(grpc_condition).collect();
    let on = match on.is_empty() {
        true => defaults::GRPC_RETRY_ON.to_owned(),
        false => on.join(","),
    };
    with_tries(&grpc.tries, on)
}

fn with_tries(tries: &Tries, retry_on: String) -> RetryPolicy {
    RetryPolicy {
        retry_on,
        num_retries: tries.most.and_then(number),
        per_try_timeout: tries.timeout.and_then(duration),
        retry_back_off: tries.back_off.map(|(base, max)| RetryBackOff {
            base_interval: duration(base),
            max_interval: max.and_then(duration),
        }),
        ..RetryPolicy::default()
    }
}

/// The schema's names are Envoy's, but for characters that protobuf does not take.
fn http_condition(on: &HttpRetryOn) -> Cow<'static, str> {
    match on {
        HttpRetryOn::All5xx => "5xx".into(),
        named => named.as_str_name().replace('_', "-").into(),
    }
}

fn grpc_condition(on: &grpc::RetryOn) -> String {
    on.as_str_name().replace('_', "-")
}

fn is_method(method: &HttpMethod) -> HeaderMatcher {
    let exact = MatchPattern::Exact(method.as_str_name().to_owned());
    HeaderMatcher {
        name: ":method".to_owned(),
        header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(StringMatcher {
            match_pattern: Some(exact),
            ..StringMatcher::default()
        })),
        ..HeaderMatcher::default()
    }
}
