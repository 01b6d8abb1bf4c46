//! What a route takes, written down as plainly as possible, to compare everything else with.

use std::{cell::RefCell, collections::HashMap};

use portolan_gateway::plan::matching::{HeaderCondition, PathMatch, RouteMatch, TextMatch};
use regex::Regex;

/// A request, as far as routes look at it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    /// Without query.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Request {
    /// Path and query, as the request line has it.
    pub(crate) fn target(&self) -> String {
        if self.query.is_empty() {
            return self.path.clone();
        }
        let pairs: Vec<_> = self
            .query
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        format!("{}?{}", self.path, pairs.join("&"))
    }
}

/// Position of the first route that takes the request.
pub(crate) fn first<'a>(
    routes: impl IntoIterator<Item = &'a RouteMatch>,
    request: &Request,
) -> Option<usize> {
    routes.into_iter().position(|route| takes(route, request))
}

/// Whether a route takes the request.
pub(crate) fn takes(route: &RouteMatch, request: &Request) -> bool {
    takes_path(&route.path, &request.path)
        && route.method.is_none_or(|method| method == request.method)
        && route.headers.iter().all(|wanted| {
            let value = lookup(&request.headers, &wanted.name);
            match &wanted.condition {
                HeaderCondition::Present => value.is_some(),
                HeaderCondition::Absent => value.is_none(),
                HeaderCondition::Value(text) => value.is_some_and(|value| takes_text(text, value)),
            }
        })
        && route.query.iter().all(|wanted| {
            lookup(&request.query, &wanted.name)
                .is_some_and(|value| takes_text(&wanted.value, value))
        })
}

fn takes_path(wanted: &PathMatch, path: &str) -> bool {
    match wanted {
        PathMatch::Exact(exact) => path == &**exact,
        PathMatch::Prefix(prefix) if **prefix == *"/" => path.starts_with('/'),
        PathMatch::Prefix(prefix) => path == &**prefix || path.starts_with(&format!("{prefix}/")),
        PathMatch::Regex(pattern) => whole(pattern, path),
    }
}

fn takes_text(wanted: &TextMatch, value: &str) -> bool {
    match wanted {
        TextMatch::Exact(exact) => value == &**exact,
        TextMatch::Regex(pattern) => whole(pattern, value),
    }
}

thread_local! {
    /// Expressions that were compiled before.
    static COMPILED: RefCell<HashMap<String, Regex>> = RefCell::default();
}

fn whole(pattern: &str, text: &str) -> bool {
    COMPILED.with_borrow_mut(|compiled| {
        if !compiled.contains_key(pattern) {
            let whole = Regex::new(&format!("^(?:{pattern})$")).unwrap();
            compiled.insert(pattern.to_owned(), whole);
        }
        compiled[pattern].is_match(text)
    })
}

fn lookup<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(other, _)| other == name)
        .map(|(_, value)| value.as_str())
}
