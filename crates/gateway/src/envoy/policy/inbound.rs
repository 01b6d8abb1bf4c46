//! What RateLimits and FaultInjections make of the connection manager before an application.
//!
//! Senders are known by the tags that their proxies tell in `x-kuma-tags`. Limits are routes, tried in order, since a
//! route counts for itself; faults are filters, each for those whom none before it takes.

use std::collections::HashMap;

use envoy_types::pb::{
    envoy::{
        config::{
            accesslog::v3::{
                AccessLogFilter, ResponseFlagFilter, access_log_filter::FilterSpecifier,
            },
            core::v3::{HeaderValue, HeaderValueOption, header_value_option::HeaderAppendAction},
            route::v3::{HeaderMatcher, header_matcher::HeaderMatchSpecifier},
        },
        extensions::filters::network::http_connection_manager::v3::{
            HttpFilter, LocalReplyConfig, ResponseMapper,
        },
        r#type::matcher::v3::{RegexMatcher, StringMatcher, string_matcher::MatchPattern},
    },
    google::protobuf::Any,
};
use portolan_model::tags::{ANY, Tags};

use super::{fault_injection, rate_limit};
use crate::{
    envoy::{any, connection_manager::http_filter, defaults, route::quote},
    plan::policy::{OnInbound, RateLimit},
};

/// The header by which Envoy knows answers that are not to be tried again.
const NOT_AGAIN: &str = "x-envoy-ratelimited";
/// Envoy's sign of what its fault filter has answered.
const FAULT_INJECTED: &str = "FI";

/// The filters that requests pass. Behind the limits come faults: they are those of the application, which requests
/// above a limit never reach.
pub(in crate::envoy) fn filters(on: &OnInbound) -> Vec<HttpFilter> {
    let mut filters = Vec::new();
    if on
        .rate_limits
        .iter()
        .any(|one| one.policy.conf.limit.is_some())
    {
        let filter = rate_limit::FILTER;
        let idle = rate_limit::idle();
        filters.push(http_filter(filter.name, filter.type_url, &idle));
    }
    let mut before: Vec<&[Tags]> = Vec::new();
    for one in &on.faults {
        let filter = fault_injection::FILTER;
        let mut faults = fault_injection::on_route(&one.policy.conf);
        let taken = before.iter().map(|senders| not(sent_by(senders)));
        faults.headers = taken.chain([sent_by(&one.senders)]).collect();
        filters.push(http_filter(filter.name, filter.type_url, &faults));
        before.push(&one.senders);
    }
    filters
}

/// Marks answers in the place of the application's as what is not tried again: a fault acts once for a request.
pub(in crate::envoy) fn answers(on: &OnInbound) -> Option<LocalReplyConfig> {
    let aborts = on.faults.iter().any(|one| one.policy.conf.abort.is_some());
    let mark = HeaderValueOption {
        header: Some(HeaderValue {
            key: NOT_AGAIN.to_owned(),
            value: "true".to_owned(),
            ..HeaderValue::default()
        }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    };
    let injected = ResponseFlagFilter {
        flags: vec![FAULT_INJECTED.to_owned()],
    };
    aborts.then(|| LocalReplyConfig {
        mappers: vec![ResponseMapper {
            filter: Some(AccessLogFilter {
                filter_specifier: Some(FilterSpecifier::ResponseFlagFilter(injected)),
            }),
            headers_to_add: vec![mark],
            ..ResponseMapper::default()
        }],
        ..LocalReplyConfig::default()
    })
}

/// What the filters do with requests of a limit's senders.
pub(in crate::envoy) fn per_route(limit: &RateLimit) -> HashMap<String, Any> {
    let limit = limit.limit.iter().map(|limit| {
        let filter = rate_limit::FILTER;
        let config = any(filter.type_url, &rate_limit::on_route(limit));
        (filter.name.to_owned(), config)
    });
    limit.collect()
}

/// Requests whose sender has all tags of one of these selectors.
pub(in crate::envoy) fn sent_by(selectors: &[Tags]) -> HeaderMatcher {
    let expressions: Vec<_> = selectors.iter().map(expression).collect();
    let regex = RegexMatcher {
        regex: expressions.join("|"),
        ..RegexMatcher::default()
    };
    HeaderMatcher {
        name: defaults::TAGS_HEADER.to_owned(),
        header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(StringMatcher {
            match_pattern: Some(MatchPattern::SafeRegex(regex)),
            ..StringMatcher::default()
        })),
        ..HeaderMatcher::default()
    }
}

/// Those whom a matcher does not take, and those who do not say who they are.
fn not(matcher: HeaderMatcher) -> HeaderMatcher {
    HeaderMatcher {
        invert_match: true,
        treat_missing_header_as_empty: true,
        ..matcher
    }
}

/// Takes `&a=1&&kuma.io/service=web,admin&`: pairs in the order of their names, of each name one value or several.
fn expression(selector: &Tags) -> String {
    let mut all = ".*".to_owned();
    for (name, value) in selector {
        let value = match &**value {
            ANY => "[^&]*".to_owned(),
            value => format!("([^&]*,)?{}(,[^&]*)?", quote(value)),
        };
        all.push_str(&format!("&{}={value}&.*", quote(name)));
    }
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn senders_are_known_by_whole_tags() {
        let selector = |pairs: &[(&str, &str)]| -> String {
            let pairs = pairs.iter();
            let tags = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            expression(&tags.collect())
        };
        let service = |value| selector(&[("kuma.io/service", value)]);
        let several = selector(&[("kuma.io/service", "web"), ("version", "1.0")]);
        let edge = "&kuma.io/service=edge&&kuma.io/zone=east&";
        for (regex, header, expected) in [
            (service("edge"), edge, true),
            (service("edge"), "&kuma.io/service=my-edge&", false),
            (service("edge"), "&kuma.io/service=edge-2&", false),
            (service("edge"), "&x.kuma.io/service=edge&", false),
            (service("web"), "&kuma.io/service=admin,web&", true),
            (service("admin"), "&kuma.io/service=admin,web&", true),
            (service("min"), "&kuma.io/service=admin,web&", false),
            (service("*"), edge, true),
            (service("*"), "&kuma.io/zone=east&", false),
            (service("e.ge"), edge, false),
            (selector(&[]), edge, true),
            (several.clone(), "&kuma.io/service=web&&version=1.0&", true),
            (
                several.clone(),
                "&kuma.io/service=web&&team=a&&version=1.0&",
                true,
            ),
            (several.clone(), "&kuma.io/service=web&&version=1x0&", false),
            (several, "&kuma.io/service=web&", false),
        ] {
            let whole = regex::Regex::new(&format!("^(?:{regex})$")).unwrap();
            assert_eq!(whole.is_match(header), expected, "{regex} {header}");
        }
    }
}
