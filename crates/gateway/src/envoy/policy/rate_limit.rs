//! RateLimit.

use envoy_types::pb::envoy::{
    config::core::v3::{
        HeaderValue, HeaderValueOption, RuntimeFractionalPercent,
        header_value_option::HeaderAppendAction,
    },
    extensions::filters::http::local_ratelimit::v3::LocalRateLimit,
    r#type::v3::{FractionalPercent, HttpStatus, TokenBucket},
};

use super::HttpFilter;
use crate::{
    envoy::{duration, number},
    plan::policy::{AnswerHeader, Limit},
};

/// The filter that counts.
pub(in crate::envoy) const FILTER: HttpFilter = HttpFilter {
    name: "envoy.filters.http.local_ratelimit",
    type_url: "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
};

/// What statistics of all limits are named after.
const STATISTICS: &str = "rate_limit";

/// What the filter does on routes without a limit: nothing.
pub(in crate::envoy) fn idle() -> LocalRateLimit {
    LocalRateLimit {
        stat_prefix: STATISTICS.to_owned(),
        ..LocalRateLimit::default()
    }
}

/// What the filter does on a route with a limit.
pub(in crate::envoy) fn on_route(limit: &Limit) -> LocalRateLimit {
    let code = limit.status.and_then(|status| i32::try_from(status).ok());
    LocalRateLimit {
        stat_prefix: STATISTICS.to_owned(),
        status: code.map(|code| HttpStatus { code }),
        // Full at first; Envoy fills it evenly over the interval.
        token_bucket: Some(TokenBucket {
            max_tokens: limit.requests,
            tokens_per_fill: number(limit.requests),
            fill_interval: duration(limit.interval),
        }),
        filter_enabled: always("local_rate_limit_enabled"),
        filter_enforced: always("local_rate_limit_enforced"),
        response_headers_to_add: limit.headers.iter().map(header).collect(),
        ..LocalRateLimit::default()
    }
}

/// Unless Envoy's runtime says otherwise under this key.
fn always(key: &str) -> Option<RuntimeFractionalPercent> {
    Some(RuntimeFractionalPercent {
        default_value: Some(FractionalPercent {
            numerator: 100,
            ..FractionalPercent::default()
        }),
        runtime_key: key.to_owned(),
    })
}

fn header(header: &AnswerHeader) -> HeaderValueOption {
    let action = match header.append {
        true => HeaderAppendAction::AppendIfExistsOrAdd,
        false => HeaderAppendAction::OverwriteIfExistsOrAdd,
    };
    HeaderValueOption {
        header: Some(HeaderValue {
            key: header.name.to_string(),
            value: header.value.to_string(),
            ..HeaderValue::default()
        }),
        append_action: action.into(),
        ..HeaderValueOption::default()
    }
}
