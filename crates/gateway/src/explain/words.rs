//! Conditions and actions of a route as short texts, the same in explanations and diffs.

use portolan_model::tags::Tags;

use crate::plan::{
    action::{Action, Backend, Forward, HeaderEdits, HostRewrite, PathRewrite},
    certificate::{Certificate, Source},
    destination::Destination,
    matching::{HeaderCondition, HeaderMatch, PathMatch, QueryMatch, RouteMatch, TextMatch},
    policy::{Scope, matching},
    port::Tls,
};

pub(super) fn path(path: &PathMatch) -> String {
    let sort = match path {
        PathMatch::Exact(_) => "EXACT",
        PathMatch::Prefix(_) => "PREFIX",
        PathMatch::Regex(_) => "REGEX",
    };
    format!("{sort} {}", path.text())
}

pub(super) fn header(header: &HeaderMatch) -> String {
    let name = &header.name;
    match &header.condition {
        HeaderCondition::Present => format!("header {name}"),
        HeaderCondition::Absent => format!("no header {name}"),
        HeaderCondition::Value(value) => format!("header {name} {}", text(value)),
    }
}

pub(super) fn query(query: &QueryMatch) -> String {
    format!("query parameter {} {}", query.name, text(&query.value))
}

fn text(value: &TextMatch) -> String {
    match value {
        TextMatch::Exact(text) => format!("= {text:?}"),
        TextMatch::Regex(pattern) => format!("~ {pattern}"),
    }
}

/// All conditions of a match.
pub fn conditions(matching: &RouteMatch) -> String {
    let method = matching.method.map(|method| format!("method {method}"));
    let parts = std::iter::once(path(&matching.path))
        .chain(method)
        .chain(matching.headers.iter().map(header))
        .chain(matching.query.iter().map(query));
    parts.collect::<Vec<_>>().join(", ")
}

/// What a route does, in one line.
pub fn action(action: &Action) -> String {
    match action {
        Action::Redirect(redirect) => {
            let part = |name: &str, value: Option<String>| {
                value
                    .map(|value| format!(" {name} {value}"))
                    .unwrap_or_default()
            };
            format!(
                "redirect {}{}{}{}{}",
                redirect.status.code(),
                part("scheme", redirect.scheme.as_deref().map(str::to_owned)),
                part("host", redirect.host.as_deref().map(str::to_owned)),
                part("port", redirect.port.map(|port| port.to_string())),
                part("path", redirect.path.as_ref().map(rewrite)),
            )
        }
        Action::Forward(forward) => {
            let backends: Vec<_> = forward.backends.iter().map(backend).collect();
            let filters = filters(forward);
            let filters = if filters.is_empty() {
                String::new()
            } else {
                format!("; {}", filters.join("; "))
            };
            format!("to {}{filters}", backends.join(" and "))
        }
    }
}

fn backend(backend: &Backend) -> String {
    format!(
        "{} (weight {})",
        destination(&backend.destination),
        backend.weight
    )
}

/// The service, and what other tags its instances need.
pub fn destination(destination: &Destination) -> String {
    let tags = destination.tags().iter();
    let more = tags.filter(|(name, _)| *name != portolan_model::tags::SERVICE);
    std::iter::once(destination.service().to_owned())
        .chain(more.map(|(name, value)| format!("{name}={value}")))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Tags as `name=value`, with commas between.
pub(super) fn tags(tags: &Tags) -> String {
    let pairs: Vec<_> = tags
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join(",")
}

/// By which of its selectors a policy is for connections; nothing if it is not.
pub(super) fn matched(scope: &Scope, source: &Tags, destination: &Tags) -> Option<String> {
    let (from, to) = matching::matched(scope, source, destination)?;
    Some(format!("from {} to {}", tags(from), tags(to)))
}

/// Where a certificate comes from; never what it is.
pub fn certificate(certificate: &Certificate) -> String {
    match &certificate.source {
        Source::Secret(name) => format!("secret {name}"),
        Source::Inline(_) => "inline".to_owned(),
        Source::Nowhere(_) => "unusable".to_owned(),
    }
}

/// What becomes of TLS; nothing where there is none.
pub fn tls(tls: &Tls) -> Option<String> {
    match tls {
        Tls::None => None,
        Tls::Passthrough => Some("TLS goes on to the backend".to_owned()),
        Tls::Terminate(certificates) => {
            let certificates: Vec<_> = certificates.iter().map(certificate).collect();
            Some(format!("TLS ends with {}", certificates.join(" and ")))
        }
        Tls::Mutual(_) => Some("mutual TLS with members of any mesh".to_owned()),
    }
}

fn rewrite(to: &PathRewrite) -> String {
    match to {
        PathRewrite::Full(path) => path.to_string(),
        PathRewrite::Prefix(path) if path.is_empty() => "prefix by /".to_owned(),
        PathRewrite::Prefix(path) => format!("prefix by {path}"),
    }
}

/// What a route changes on the way, a text for each filter.
pub(super) fn filters(forward: &Forward) -> Vec<String> {
    let mut filters = Vec::new();
    if let Some(path) = &forward.path {
        filters.push(format!("rewrite path: {}", rewrite(path)));
    }
    match &forward.host {
        Some(HostRewrite::Literal(host)) => filters.push(format!("rewrite host: {host}")),
        Some(HostRewrite::Backend) => filters.push("rewrite host: that of the backend".to_owned()),
        None => {}
    }
    edits("request", &forward.request_headers, &mut filters);
    edits("response", &forward.response_headers, &mut filters);
    for mirror in &forward.mirrors {
        let to = destination(&mirror.destination);
        filters.push(format!("mirror {}% to {to}", mirror.percentage));
    }
    filters
}

fn edits(of: &str, edits: &HeaderEdits, filters: &mut Vec<String>) {
    let set = edits
        .set
        .iter()
        .map(|(name, value)| format!("set {of} header {name}: {value}"));
    let add = edits
        .add
        .iter()
        .map(|(name, value)| format!("add {of} header {name}: {value}"));
    let remove = edits
        .remove
        .iter()
        .map(|name| format!("remove {of} header {name}"));
    filters.extend(set.chain(add).chain(remove));
}
