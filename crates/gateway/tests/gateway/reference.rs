//! What a route takes, written down as plainly as possible, to compare everything else with.

use portolan_gateway::plan::matching::{HeaderCondition, PathMatch, RouteMatch, TextMatch};
use proptest::prelude::*;
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

fn whole(pattern: &str, text: &str) -> bool {
    Regex::new(&format!("^(?:{pattern})$"))
        .unwrap()
        .is_match(text)
}

fn lookup<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(other, _)| other == name)
        .map(|(_, value)| value.as_str())
}

/// Paths that often extend each other, with and without a slash between.
pub(crate) fn path() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["a", "b", "ab", "abc", "a-b", "x", "é"]);
    (prop::collection::vec(segment, 0..5), any::<bool>()).prop_map(|(segments, slash)| {
        let slash = if slash && !segments.is_empty() {
            "/"
        } else {
            ""
        };
        format!("/{}{slash}", segments.join("/"))
    })
}

/// Paths as HTTP/1 carries them.
pub(crate) fn ascii_path() -> impl Strategy<Value = String> {
    path().prop_map(|path| path.replace('é', "e"))
}

/// Expressions with and without a literal prefix.
pub(crate) fn pattern() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        ".*",
        "/a/.*",
        "/ab?/.*",
        "/(a|b)/ab",
        "/a|/b",
        "/x/[a-z]+",
        "/ab{1,2}c",
        "/abc/x",
        "(?i)/A/.*",
    ])
    .prop_map(str::to_owned)
}

/// Requests for paths like those of [`path`].
pub(crate) fn request(path: impl Strategy<Value = String>) -> impl Strategy<Value = Request> {
    let method = prop::sample::select(vec!["GET", "POST"]);
    let value = prop::option::of(prop::sample::select(vec!["1", "22"]));
    (path, method, value.clone(), value).prop_map(|(path, method, header, query)| {
        let pair = |name: &str, value: Option<&str>| {
            value
                .map(|value| (name.to_owned(), value.to_owned()))
                .into_iter()
                .collect()
        };
        Request {
            method,
            path,
            headers: pair("x-h", header),
            query: pair("q", query),
        }
    })
}
