//! Filters of a rule.

use super::backend;
use crate::{
    proto::mesh::mesh_gateway_route::http_route::{
        Filter, Rule,
        filter::{
            Filter as One, HeaderFilter, Mirror, Redirect, Rewrite, header_filter::Header,
            rewrite,
        },
        r#match::{Path, path::MatchType},
    },
    validation::{Violations, fields},
};

/// Codes of redirects that Envoy can answer with.
const REDIRECT_CODES: [u32; 5] = [301, 302, 303, 307, 308];

/// What a filter must know of its rule.
#[derive(Clone, Copy)]
pub(super) struct Context {
    has_prefix_match: bool,
    rewrites_host: bool,
}

impl Context {
    pub(super) fn of(rule: &Rule) -> Self {
        let is_prefix = |path: &Path| path.r#match() == MatchType::Prefix;
        let rewrites_host = |filter: &Filter| {
            matches!(&filter.filter, Some(One::Rewrite(rewrite)) if rewrite.host_to_backend_hostname)
        };
        Self {
            has_prefix_match: rule.matches.iter().any(|one| one.path.as_ref().is_some_and(is_prefix)),
            rewrites_host: rule.filters.iter().any(rewrites_host),
        }
    }
}

/// All that is wrong with one filter.
pub(super) fn validate(
    violations: &mut Violations,
    field: &str,
    filter: &Filter,
    context: Context,
) {
    match &filter.filter {
        Some(One::RequestHeader(headers)) => {
            validate_headers(violations, &format!("{field}.request_header"), headers, context);
        }
        Some(One::ResponseHeader(headers)) => {
            let context = Context { rewrites_host: false, ..context };
            validate_headers(violations, &format!("{field}.response_header"), headers, context);
        }
        Some(One::Mirror(mirror)) => {
            validate_mirror(violations, &format!("{field}.mirror"), mirror);
        }
        Some(One::Redirect(redirect)) => {
            validate_redirect(violations, &format!("{field}.redirect"), redirect);
        }
        Some(One::Rewrite(rewrite)) => {
            validate_rewrite(violations, &format!("{field}.rewrite"), rewrite, context);
        }
        None => violations.add(field, "cannot be empty"),
    }
}

fn validate_headers(
    violations: &mut Violations,
    field: &str,
    filter: &HeaderFilter,
    context: Context,
) {
    if filter.set.is_empty() && filter.add.is_empty() && filter.remove.is_empty() {
        violations.add(field, "cannot be empty");
    }
    for (list, headers) in [("set", &filter.set), ("add", &filter.add)] {
        for (position, header) in headers.iter().enumerate() {
            validate_header(violations, &format!("{field}.{list}[{position}]"), header, context);
        }
    }
    for (position, name) in filter.remove.iter().enumerate() {
        if name.is_empty() {
            violations.add(format!("{field}.remove[{position}]"), "cannot be empty");
        }
    }
}

fn validate_header(violations: &mut Violations, field: &str, header: &Header, context: Context) {
    let name = header.name.as_str();
    match name {
        "" => violations.add(format!("{field}.name"), "cannot be empty"),
        ":authority" | "Host" | "host" if context.rewrites_host => violations.add(
            field,
            format!(
                "cannot modify '{name}' header, when route has set \
                 'rewrite.host_to_backend_hostname' option"
            ),
        ),
        _ => {}
    }
    if header.value.is_empty() {
        violations.add(format!("{field}.value"), "cannot be empty");
    }
}

fn validate_mirror(violations: &mut Violations, field: &str, mirror: &Mirror) {
    if mirror.percentage.as_ref().is_some_and(|given| !(0.0..=100.0).contains(&given.value)) {
        violations.add(format!("{field}.percentage"), "has to be in [0.0 - 100.0] range");
    }
    match &mirror.backend {
        None => violations.add(format!("{field}.backend"), "cannot be empty"),
        Some(to) => backend(violations, &format!("{field}.backend"), to),
    }
}

fn validate_redirect(violations: &mut Violations, field: &str, redirect: &Redirect) {
    if redirect.port > 0 {
        fields::port(violations, format!("{field}.port"), redirect.port);
    }
    let code = redirect.status_code;
    if !(300..=308).contains(&code) {
        violations.add(format!("{field}.status_code"), "must be in the range [300, 308]");
    } else if !REDIRECT_CODES.contains(&code) {
        violations.add(format!("{field}.status_code"), "must be one of 301, 302, 303, 307, 308");
    }
}

fn validate_rewrite(
    violations: &mut Violations,
    field: &str,
    rewrite: &Rewrite,
    context: Context,
) {
    let replaces_prefix = matches!(rewrite.path, Some(rewrite::Path::ReplacePrefixMatch(_)));
    if replaces_prefix && !context.has_prefix_match {
        violations.add(
            format!("{field}.replacePrefixMatch"),
            "cannot be used without a match on path prefix",
        );
    }
}
