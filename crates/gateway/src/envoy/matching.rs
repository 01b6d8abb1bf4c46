//! What a route asks of a request, in Envoy's words.

use envoy_types::pb::envoy::{
    config::route::v3::{
        HeaderMatcher, QueryParameterMatcher, RouteMatch as EnvoyMatch,
        header_matcher::HeaderMatchSpecifier,
        query_parameter_matcher::QueryParameterMatchSpecifier, route_match::PathSpecifier,
    },
    r#type::matcher::v3::{RegexMatcher, StringMatcher, string_matcher::MatchPattern},
};

use crate::plan::matching::{
    HeaderCondition, HeaderMatch, PathMatch, QueryMatch, RouteMatch, TextMatch,
};

/// Header name by which Envoy gives the method.
const METHOD: &str = ":method";

pub(super) fn route_match(matching: &RouteMatch) -> EnvoyMatch {
    let method = matching.method.map(|method| HeaderMatcher {
        name: METHOD.to_owned(),
        header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(string(
            MatchPattern::Exact(method.to_owned()),
        ))),
        ..HeaderMatcher::default()
    });
    EnvoyMatch {
        path_specifier: Some(path(&matching.path)),
        headers: method
            .into_iter()
            .chain(matching.headers.iter().map(header))
            .collect(),
        query_parameters: matching.query.iter().map(query).collect(),
        ..EnvoyMatch::default()
    }
}

fn path(path: &PathMatch) -> PathSpecifier {
    match path {
        PathMatch::Exact(path) => PathSpecifier::Path(path.to_string()),
        PathMatch::Prefix(path) if **path == *"/" => PathSpecifier::Prefix(path.to_string()),
        PathMatch::Prefix(path) => PathSpecifier::PathSeparatedPrefix(path.to_string()),
        PathMatch::Regex(pattern) => PathSpecifier::SafeRegex(regex(pattern)),
    }
}

fn header(header: &HeaderMatch) -> HeaderMatcher {
    let specifier = match &header.condition {
        HeaderCondition::Value(value) => HeaderMatchSpecifier::StringMatch(text(value)),
        HeaderCondition::Present => HeaderMatchSpecifier::PresentMatch(true),
        HeaderCondition::Absent => HeaderMatchSpecifier::PresentMatch(false),
    };
    HeaderMatcher {
        name: header.name.to_string(),
        header_match_specifier: Some(specifier),
        ..HeaderMatcher::default()
    }
}

fn query(query: &QueryMatch) -> QueryParameterMatcher {
    QueryParameterMatcher {
        name: query.name.to_string(),
        query_parameter_match_specifier: Some(QueryParameterMatchSpecifier::StringMatch(text(
            &query.value,
        ))),
    }
}

fn text(value: &TextMatch) -> StringMatcher {
    string(match value {
        TextMatch::Exact(text) => MatchPattern::Exact(text.to_string()),
        TextMatch::Regex(pattern) => MatchPattern::SafeRegex(regex(pattern)),
    })
}

fn string(pattern: MatchPattern) -> StringMatcher {
    StringMatcher {
        match_pattern: Some(pattern),
        ..StringMatcher::default()
    }
}

pub(super) fn regex(pattern: &str) -> RegexMatcher {
    RegexMatcher {
        regex: pattern.to_owned(),
        ..RegexMatcher::default()
    }
}
