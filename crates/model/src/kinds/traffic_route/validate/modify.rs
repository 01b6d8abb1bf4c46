//! What a TrafficRoute changes in requests and responses.

use crate::{
    proto::mesh::traffic_route::http::{
        Modify,
        modify::{Headers, RegexReplace, host, path},
    },
    validation::{Violations, fields, http},
};

/// All that is wrong with it; `prefix` is what the route asks of paths.
pub(super) fn validate(violations: &mut Violations, field: &str, modify: &Modify, prefix: &str) {
    if let Some(path) = &modify.path {
        validate_path(violations, &format!("{field}.path"), path.r#type.as_ref(), prefix);
    }
    if let Some(host) = &modify.host {
        validate_host(violations, &format!("{field}.host"), host.r#type.as_ref());
    }
    if let Some(headers) = &modify.request_headers {
        validate_headers(violations, &format!("{field}.requestHeaders"), headers);
    }
    if let Some(headers) = &modify.response_headers {
        validate_headers(violations, &format!("{field}.responseHeaders"), headers);
    }
}

fn validate_path(
    violations: &mut Violations,
    field: &str,
    path: Option<&path::Type>,
    prefix: &str,
) {
    match path {
        None => violations.add(field, r#"either "rewritePrefix" or "regex" has to be set"#),
        Some(path::Type::Regex(replace)) => {
            validate_replace(violations, &format!("{field}.regex"), replace);
        }
        Some(path::Type::RewritePrefix(new)) if new.is_empty() => {
            violations.add(format!("{field}.rewritePrefix"), "cannot be empty");
        }
        Some(path::Type::RewritePrefix(_)) if prefix.is_empty() => violations.add(
            format!("{field}.rewritePrefix"),
            "can only be set when .http.match.path.prefix is not empty",
        ),
        Some(path::Type::RewritePrefix(_)) => {}
    }
}

fn validate_host(violations: &mut Violations, field: &str, host: Option<&host::Type>) {
    match host {
        None => violations.add(field, r#"either "value" or "fromPath" has to be set"#),
        Some(host::Type::Value(value)) if value.is_empty() => {
            violations.add(format!("{field}.value"), "cannot be empty");
        }
        Some(host::Type::Value(_)) => {}
        Some(host::Type::FromPath(replace)) => {
            validate_replace(violations, &format!("{field}.fromPath"), replace);
        }
    }
}

fn validate_replace(violations: &mut Violations, field: &str, replace: &RegexReplace) {
    let pattern = format!("{field}.pattern");
    if replace.pattern.is_empty() {
        violations.add(pattern, "cannot be empty");
    } else {
        fields::regex(violations, pattern, &replace.pattern);
    }
    if replace.substitution.is_empty() {
        violations.add(format!("{field}.substitution"), "cannot be empty");
    }
}

fn validate_headers(violations: &mut Violations, field: &str, headers: &Headers) {
    for (position, header) in headers.add.iter().enumerate() {
        let field = format!("{field}.add[{position}]");
        validate_name(violations, format!("{field}.name"), &header.name);
        if header.value.is_empty() {
            violations.add(format!("{field}.value"), "cannot be empty");
        }
        http::header_value(violations, format!("{field}.value"), &header.value);
    }
    for (position, header) in headers.remove.iter().enumerate() {
        validate_name(violations, format!("{field}.remove[{position}].name"), &header.name);
    }
}

fn validate_name(violations: &mut Violations, field: String, name: &str) {
    if name.is_empty() {
        violations.add(field, "cannot be empty");
    } else {
        http::header_name(violations, field, name);
    }
}
