//! Routes by the text that their paths begin with.

use crate::plan::{
    literal_prefix,
    matching::{PathMatch, RouteMatch},
};

/// A route, and the text that every path which it takes begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stem<'a> {
    pub(super) position: usize,
    pub(super) text: &'a str,
    route: &'a RouteMatch,
    /// Whether only one list may have it.
    once: bool,
}

impl<'a> Stem<'a> {
    pub(super) fn of(position: usize, route: &'a RouteMatch, once: bool) -> Self {
        let text = match &route.path {
            PathMatch::Exact(path) | PathMatch::Prefix(path) => path,
            PathMatch::Regex(pattern) => literal_prefix(pattern),
        };
        Self {
            position,
            text,
            route,
            once,
        }
    }

    /// Whether it may take a path that is longer than its text.
    pub(super) fn goes_on(&self) -> bool {
        !matches!(self.route.path, PathMatch::Exact(_))
    }

    /// Whether lists for longer prefixes may not be split off, because they would have it too.
    pub(super) fn binds(&self) -> bool {
        self.once && self.goes_on()
    }

    /// Whether it may take a path that begins with `key`, a text that begins with its own and is longer.
    pub(super) fn reaches(&self, key: &str) -> bool {
        let is_below = || key[self.text.len()..].starts_with('/');
        self.reaches_all() || (self.goes_on() && is_below())
    }

    /// Whether it may take a path that begins with any text that begins with its own.
    pub(super) fn reaches_all(&self) -> bool {
        match &self.route.path {
            PathMatch::Exact(_) => false,
            PathMatch::Prefix(path) => **path == *"/",
            PathMatch::Regex(_) => true,
        }
    }

    /// Whether it takes every path that begins with `key`, a text that it [reaches](Self::reaches).
    pub(super) fn takes_all(&self) -> bool {
        matches!(self.route.path, PathMatch::Prefix(_)) && self.route.is_path_only()
    }
}
