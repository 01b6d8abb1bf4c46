//! Tables of routes, the same for everything that is measured, and requests for them.

use super::random::Random;

/// What routes of a table look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mix {
    /// Path prefixes alone.
    Prefixes,
    /// Of twenty routes one is an expression, and two are prefixes with a header.
    Mixed,
}

impl Mix {
    /// In tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Prefixes => "prefixes",
            Self::Mixed => "5 % regexes, 10 % headers",
        }
    }
}

/// The header that some routes want, and its value.
pub(crate) const HEADER: (&str, &str) = ("x-variant", "b");

/// What a route takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Paths below this one.
    Prefix(String),
    /// The same with [`HEADER`].
    PrefixWithHeader(String),
    /// Paths that this expression matches as a whole.
    Regex(String),
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Its path.
    pub(crate) path: String,
    /// Whether it has [`HEADER`].
    pub(crate) with_header: bool,
    /// The position of the route that it is for.
    pub(crate) route: usize,
}

/// Routes in the order in which they are tried.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// What each takes.
    pub(crate) rules: Vec<Rule>,
}

impl Table {
    /// So many routes, spread over teams.
    pub(crate) fn new(mix: Mix, size: usize) -> Self {
        let mut rules: Vec<_> = (0..size).map(|number| rule(mix, number)).collect();
        // As Portolan orders them: more header conditions first, expressions last.
        rules.sort_by_key(|rule| match rule {
            Rule::PrefixWithHeader(_) => 0,
            Rule::Prefix(_) => 1,
            Rule::Regex(_) => 2,
        });
        Self { rules }
    }

    /// A request for the route at a position.
    pub(crate) fn request(&self, route: usize) -> Request {
        let (path, with_header) = match &self.rules[route] {
            Rule::Prefix(path) => (format!("{path}/item"), false),
            Rule::PrefixWithHeader(path) => (format!("{path}/item"), true),
            Rule::Regex(pattern) => (pattern.replace("[0-9]+", "42"), false),
        };
        Request {
            path,
            with_header,
            route,
        }
    }

    /// Requests for routes at random, always the same ones.
    pub(crate) fn random(&self, count: usize) -> Vec<Request> {
        let mut random = Random::default();
        let requests = (0..count).map(|_| self.request(random.below(self.rules.len())));
        requests.collect()
    }
}

fn rule(mix: Mix, number: usize) -> Rule {
    let team = number % 97;
    let prefix = format!("/team-{team:02}/service-{number:05}");
    match (mix, number % 20) {
        (Mix::Mixed, 7) => Rule::Regex(format!("/team-{team:02}/orders/[0-9]+/item-{number:05}")),
        (Mix::Mixed, 3 | 13) => Rule::PrefixWithHeader(prefix),
        _ => Rule::Prefix(prefix),
    }
}
