//! What a route asks of a request, in Envoy's words.

use envoy_types::pb::envoy::{
    config::route::v3::{
        HeaderMatcher, QueryParameterMatcher, header_matcher::HeaderMatchSpecifier,
        query_parameter_matcher::QueryParameterMatchSpecifier,
    },
    r#type::matcher::v3::{RegexMatcher, StringMatcher, string_matcher::MatchPattern},
};

use super::writer::Writer;
use crate::plan::matching::{
    HeaderCondition, HeaderMatch, PathMatch, QueryMatch, RouteMatch, TextMatch,
};

/// Header name by which Envoy gives the method.
const METHOD: &str = ":method";

/// `RouteMatch.prefix`
const PREFIX: u32 = 1;
/// `RouteMatch.path`
const PATH: u32 = 2;
/// `RouteMatch.headers`
const HEADERS: u32 = 6;
/// `RouteMatch.query_parameters`
const QUERY_PARAMETERS: u32 = 7;
/// `RouteMatch.safe_regex`
const SAFE_REGEX: u32 = 10;
/// `RouteMatch.path_separated_prefix`
const PATH_SEPARATED_PREFIX: u32 = 14;

/// Writes the fields of a `RouteMatch`.
pub(super) fn route_match(matching: &RouteMatch, out: &mut Writer) {
    path(&matching.path, out);
    if let Some(method) = matching.method {
        out.message(HEADERS, &self::method(method));
    }
    for condition in &matching.headers {
        out.message(HEADERS, &header(condition));
    }
    for condition in &matching.query {
        out.message(QUERY_PARAMETERS, &query(condition));
    }
}

/// Writes what a `RouteMatch` says of the path.
pub(super) fn path(path: &PathMatch, out: &mut Writer) {
    match path {
        PathMatch::Exact(path) => out.text(PATH, path),
        PathMatch::Prefix(path) if **path == *"/" => out.text(PREFIX, path),
        PathMatch::Prefix(path) => out.text(PATH_SEPARATED_PREFIX, path),
        PathMatch::Regex(pattern) => out.message(SAFE_REGEX, &regex(pattern)),
    }
}

fn method(method: &str) -> HeaderMatcher {
    let exact = MatchPattern::Exact(method.to_owned());
    HeaderMatcher {
        name: METHOD.to_owned(),
        header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(string(exact))),
        ..HeaderMatcher::default()
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
