//! Conditions of a rule.

use crate::{
    proto::mesh::{
        HttpMethod,
        mesh_gateway_route::http_route::{
            Match,
            r#match::{Header, Path, Query, header, path, query},
        },
    },
    validation::{Violations, fields},
};

/// All that is wrong with one match.
pub(super) fn validate(violations: &mut Violations, field: &str, one: &Match) {
    let empty = one.path.is_none()
        && one.method() == HttpMethod::None
        && one.headers.is_empty()
        && one.query_parameters.is_empty();
    if empty {
        violations.add(field, "cannot be empty");
    }
    if let Some(path) = &one.path {
        validate_path(violations, field, path);
    }
    for (position, header) in one.headers.iter().enumerate() {
        validate_header(violations, &format!("{field}.headers[{position}]"), header);
    }
    for (position, query) in one.query_parameters.iter().enumerate() {
        validate_query(violations, &format!("{field}.query_parameters[{position}]"), query);
    }
}

fn validate_path(violations: &mut Violations, field: &str, path: &Path) {
    let field = format!("{field}.value");
    match path.r#match() {
        path::MatchType::Regex if path.value.is_empty() => violations.add(field, "cannot be empty"),
        path::MatchType::Regex => fields::regex(violations, field, &path.value),
        path::MatchType::Exact | path::MatchType::Prefix if !path.value.starts_with('/') => {
            violations.add(field, "must be an absolute path");
        }
        path::MatchType::Exact | path::MatchType::Prefix => {}
    }
}

fn validate_header(violations: &mut Violations, field: &str, header: &Header) {
    if header.name.is_empty() {
        violations.add(format!("{field}.name"), "cannot be empty");
    }
    let value = format!("{field}.value");
    match header.r#match() {
        header::MatchType::Absent | header::MatchType::Present if !header.value.is_empty() => {
            violations.add(value, "cannot be set");
        }
        header::MatchType::Absent | header::MatchType::Present => {}
        _ if header.value.is_empty() => violations.add(value, "cannot be empty"),
        header::MatchType::Regex => fields::regex(violations, value, &header.value),
        header::MatchType::Exact => {}
    }
}

fn validate_query(violations: &mut Violations, field: &str, query: &Query) {
    if query.name.is_empty() {
        violations.add(format!("{field}.name"), "cannot be empty");
    }
    let value = format!("{field}.value");
    match query.r#match() {
        _ if query.value.is_empty() => violations.add(value, "cannot be empty"),
        query::MatchType::Regex => fields::regex(violations, value, &query.value),
        query::MatchType::Exact => {}
    }
}
