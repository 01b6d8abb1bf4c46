//! Conditions of a TrafficRoute.

use crate::{
    proto::mesh::traffic_route::http::{
        Match,
        r#match::{StringMatcher, string_matcher::MatcherType},
    },
    validation::{Violations, fields},
};

/// All that is wrong with them.
pub(super) fn validate(violations: &mut Violations, field: &str, given: Option<&Match>) {
    let Some(given) = given.filter(|given| **given != Match::default()) else {
        violations.add(
            field,
            r#"must be present and contain at least one of the elements: "method", "path" or "headers""#,
        );
        return;
    };
    if let Some(method) = &given.method {
        matcher(violations, &format!("{field}.method"), method);
    }
    if let Some(path) = &given.path {
        matcher(violations, &format!("{field}.path"), path);
    }
    for (name, value) in &given.headers {
        let field = fields::key(&format!("{field}.headers"), name);
        if name.is_empty() {
            violations.add(field.clone(), "cannot be empty");
        }
        matcher(violations, &field, value);
    }
}

/// The prefix of paths that it asks for, empty if it asks for none.
pub(super) fn prefix(given: Option<&Match>) -> &str {
    let path = given.and_then(|given| given.path.as_ref());
    match path.and_then(|path| path.matcher_type.as_ref()) {
        Some(MatcherType::Prefix(prefix)) => prefix,
        _ => "",
    }
}

fn matcher(violations: &mut Violations, field: &str, given: &StringMatcher) {
    match &given.matcher_type {
        Some(MatcherType::Exact(_)) => {}
        Some(MatcherType::Prefix(prefix)) if prefix.is_empty() => {
            violations.add(format!("{field}.prefix"), "cannot be empty");
        }
        Some(MatcherType::Prefix(_)) => {}
        Some(MatcherType::Regex(regex)) if regex.is_empty() => {
            violations.add(format!("{field}.regex"), "cannot be empty");
        }
        Some(MatcherType::Regex(regex)) => {
            fields::regex(violations, format!("{field}.regex"), regex);
        }
        None => violations.add(
            field,
            r#"cannot be empty. Available options: "exact", "split" or "regex""#,
        ),
    }
}
