//! One entry against one request: the only decision that is made here and not in the plan.

use std::borrow::Cow;

use super::{expression, request::Seen};
use crate::plan::{
    literal_prefix,
    matching::{HeaderCondition, HeaderMatch, PathMatch, QueryMatch, RouteMatch, TextMatch},
};

/// The first condition that does not hold. Conditions are looked at in this order: path, method,
/// headers, query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Miss<'a> {
    Path(&'a PathMatch),
    Method(&'a str),
    Header(&'a HeaderMatch),
    Query(&'a QueryMatch),
}

/// What keeps an entry from taking a request; nothing if it takes it.
pub(super) fn miss<'a>(wanted: &'a RouteMatch, seen: &Seen) -> Option<Miss<'a>> {
    if !takes_path(&wanted.path, &seen.target.path) {
        return Some(Miss::Path(&wanted.path));
    }
    if let Some(method) = wanted.method
        && method != seen.method
    {
        return Some(Miss::Method(method));
    }
    let header = wanted.headers.iter().find(|header| !holds(header, seen));
    if let Some(header) = header {
        return Some(Miss::Header(header));
    }
    let query = wanted.query.iter().find(|query| {
        let value = seen.target.parameter(&query.name);
        !value.is_some_and(|value| takes_text(&query.value, value))
    });
    query.map(Miss::Query)
}

/// Whether a path without query is one of these.
pub(crate) fn takes_path(wanted: &PathMatch, path: &str) -> bool {
    match wanted {
        PathMatch::Exact(exact) => path == &**exact,
        PathMatch::Prefix(prefix) if **prefix == *"/" => path.starts_with('/'),
        PathMatch::Prefix(prefix) => path
            .strip_prefix(&**prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        // Most expressions are ruled out by how they begin, which spares compiling them.
        PathMatch::Regex(pattern) => {
            path.starts_with(literal_prefix(pattern))
                && expression::takes(pattern, path).unwrap_or(false)
        }
    }
}

/// Whether a text is one of these.
pub(crate) fn takes_text(wanted: &TextMatch, text: &str) -> bool {
    match wanted {
        TextMatch::Exact(exact) => text == &**exact,
        TextMatch::Regex(pattern) => expression::takes(pattern, text).unwrap_or(false),
    }
}

fn holds(wanted: &HeaderMatch, seen: &Seen) -> bool {
    let value = seen.header(&wanted.name);
    match &wanted.condition {
        HeaderCondition::Present => value.is_some(),
        HeaderCondition::Absent => value.is_none(),
        HeaderCondition::Value(text) => value.is_some_and(|value| takes_text(text, &value)),
    }
}

impl Miss<'_> {
    /// What was wanted and what was seen, in words.
    pub(super) fn words(&self, seen: &Seen) -> String {
        let found = |value: Option<Cow<'_, str>>| match value {
            Some(value) => format!("the request has {value:?}"),
            None => "the request has none".to_owned(),
        };
        match self {
            Self::Path(path) => {
                format!(
                    "{} does not take {}",
                    super::words::path(path),
                    seen.target.path
                )
            }
            Self::Method(method) => format!("method {method} is wanted, it is {}", seen.method),
            Self::Header(header) => format!(
                "{} is wanted, {}",
                super::words::header(header),
                found(seen.header(&header.name))
            ),
            Self::Query(query) => format!(
                "{} is wanted, {}",
                super::words::query(query),
                found(seen.target.parameter(&query.name).map(Cow::Borrowed))
            ),
        }
    }

    /// Which sort of condition it is.
    pub(super) fn kind(&self) -> super::Failed {
        match self {
            Self::Path(_) => super::Failed::Path,
            Self::Method(_) => super::Failed::Method,
            Self::Header(_) => super::Failed::Header,
            Self::Query(_) => super::Failed::Query,
        }
    }
}
