//! Where a redirect leads.

use super::request::Seen;
use crate::plan::{
    action::{PathRewrite, Redirect},
    matching::PathMatch,
};

/// The `location` of the answer.
pub(super) fn location(redirect: &Redirect, matched: &PathMatch, port: u16, seen: &Seen) -> String {
    let scheme = redirect.scheme.as_deref().unwrap_or(seen.scheme);
    let host = redirect.host.as_deref().unwrap_or(seen.bare_host());
    let port = redirect.port.unwrap_or(port);
    let path = match &redirect.path {
        Some(rewrite) => rewritten(&seen.target.path, matched, rewrite),
        None => seen.target.path.clone(),
    };
    format!("{scheme}://{host}:{port}{path}")
}

/// A path after a rewrite. One route takes both `/p` and `/p/x`; the root neither doubles nor lacks a slash.
pub(super) fn rewritten(path: &str, matched: &PathMatch, rewrite: &PathRewrite) -> String {
    let root_if_empty = |text: &str| if text.is_empty() { "/" } else { text }.to_owned();
    match (rewrite, matched) {
        (PathRewrite::Full(new), _) => new.to_string(),
        (PathRewrite::Prefix(new), PathMatch::Exact(_) | PathMatch::Regex(_)) => root_if_empty(new),
        (PathRewrite::Prefix(new), PathMatch::Prefix(prefix)) => {
            let below = match &**prefix {
                "/" if path == "/" => "",
                "/" => path,
                prefix => path.strip_prefix(prefix).unwrap_or(path),
            };
            if new.is_empty() && below == "/" {
                return "/".to_owned();
            }
            root_if_empty(&format!("{new}{below}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_replaced() {
        let prefix = |text: &str| PathMatch::Prefix(text.into());
        for (path, matched, new, expected) in [
            ("/p", prefix("/p"), "/new", "/new"),
            ("/p/x", prefix("/p"), "/new", "/new/x"),
            ("/p/x", prefix("/p"), "", "/x"),
            ("/p", prefix("/p"), "", "/"),
            ("/p/", prefix("/p"), "", "/"),
            ("/", prefix("/"), "/all", "/all"),
            ("/x/", prefix("/"), "/all", "/all/x/"),
            ("/x", prefix("/"), "", "/x"),
            ("/e", PathMatch::Exact("/e".into()), "", "/"),
        ] {
            let to = PathRewrite::Prefix(new.into());
            assert_eq!(rewritten(path, &matched, &to), expected, "{path} {new}");
        }
    }
}
