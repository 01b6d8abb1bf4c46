//! Random routes, and random requests that often meet them.

use std::sync::Arc;

use portolan_gateway::plan::{
    matching::RouteMatch,
    route::{HttpRoute, Shared},
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngSeed, TestRunner},
};
use serde_json::{Value, json};

use crate::{reference::Request, support::resource};

/// What always makes the same of the same seed.
pub(crate) fn random(seed: u64) -> TestRunner {
    TestRunner::new(Config {
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    })
}

/// One value.
pub(crate) fn draw<T>(strategy: &impl Strategy<Value = T>, random: &mut TestRunner) -> T {
    strategy.new_tree(random).unwrap().current()
}

/// Parts of paths: those that extend each other, many that do not, and some with odd characters.
fn segment() -> impl Strategy<Value = String> + Clone {
    let close = prop::sample::select(vec!["a", "b", "ab", "abc", "a-b", "x", "é"]);
    let odd = prop::sample::select(vec![
        "v1.0", "~", "A", "a:b", "@", "a%20b", "%C3%A9", "a;b", "..a", "a$", "(a)",
    ]);
    prop_oneof![
        7 => close.prop_map(str::to_owned),
        2 => (0..40_u8).prop_map(|number| format!("n{number}")),
        1 => odd.prop_map(str::to_owned),
    ]
}

/// Paths that often extend each other, with and without a slash between.
pub(crate) fn path() -> impl Strategy<Value = String> + Clone {
    (prop::collection::vec(segment(), 0..5), any::<bool>()).prop_map(|(segments, slash)| {
        let slash = if slash && !segments.is_empty() {
            "/"
        } else {
            ""
        };
        format!("/{}{slash}", segments.join("/"))
    })
}

/// Paths as HTTP/1 carries them.
pub(crate) fn ascii_path() -> impl Strategy<Value = String> + Clone {
    path().prop_map(|path| path.replace('é', "e"))
}

/// Expressions with and without a literal prefix.
fn pattern() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        ".*",
        "/a/.*",
        "/ab?/.*",
        "/(a|b)/ab",
        "/a|/b",
        "/x/[a-z]+",
        "/ab{1,2}c",
        "/abc/x",
        "(?i)/A/.*",
        "^/b/.*",
        "/a(b|c)?/.*",
        "/n1[|]?[0-9]+/.*",
    ]);
    let numbered = (0..40_u8, prop::sample::select(vec!["[a-z]+", ".*", "ab?"]));
    prop_oneof![
        3 => fixed.prop_map(str::to_owned),
        1 => numbered.prop_map(|(number, rest)| format!("/n{number}/{rest}")),
    ]
}

/// A match in JSON: path, method, header and query, so that requests of [`request`] may meet it. Paths
/// have so many slashes or more: without short prefixes, expressions get their turn. A few have no path.
pub(crate) fn matching(
    path: impl Strategy<Value = String> + Clone,
    slashes: usize,
) -> impl Strategy<Value = Value> {
    let deep = move |path: &String| path.matches('/').count() >= slashes;
    let prefix = path.clone().prop_filter("deep", deep);
    let exact = path.prop_filter("deep", deep);
    let of =
        |sort: &'static str| move |text: String| json!({"path": {"match": sort, "value": text}});
    let path = prop_oneof![
        12 => prefix.prop_map(of("PREFIX")),
        12 => exact.prop_map(of("EXACT")),
        3 => pattern().prop_map(of("REGEX")),
        1 => Just(json!({})),
    ];
    let header = prop::sample::select(vec![
        json!([{"name": "x-h", "match": "PRESENT"}]),
        json!([{"name": "x-h", "match": "ABSENT"}]),
        json!([{"name": "x-h", "value": "1"}]),
        json!([{"name": "x-h", "match": "REGEX", "value": "2+"}]),
    ]);
    let method = prop::option::weighted(0.3, Just("POST"));
    let header = prop::option::weighted(0.2, header);
    let query = prop::option::weighted(0.2, Just(json!([{"name": "q", "value": "1"}])));
    (path, method, header, query).prop_map(|(mut value, method, headers, query)| {
        // Without a path there has to be something else.
        let method = method.or(value.get("path").is_none().then_some("POST"));
        for (field, content) in [
            ("method", method.map(Value::from)),
            ("headers", headers),
            ("queryParameters", query),
        ] {
            if let Some(content) = content {
                value[field] = content;
            }
        }
        value
    })
}

/// A route for one host, whose rules redirect to the rule's own number.
pub(crate) fn route(host: usize, matches: &[Value]) -> Value {
    let rules: Vec<_> = matches
        .iter()
        .enumerate()
        .map(|(rule, matching)| {
            let redirect = json!({"hostname": format!("rule-{rule}"), "statusCode": 302});
            json!({"matches": [matching], "filters": [{"redirect": redirect}]})
        })
        .collect();
    json!({
        "type": "MeshGatewayRoute",
        "name": format!("route-{host}"),
        "selectors": [{"match": {"kuma.io/service": "edge"}}],
        "conf": {"http": {"hostnames": [format!("host-{host}.test")], "rules": rules}},
    })
}

/// Matches as the plan has them, in the order in which they are written.
pub(crate) fn read(matches: &[Value]) -> Vec<RouteMatch> {
    let resource = Arc::new(resource(route(0, matches)));
    let route = HttpRoute::read(&resource, &mut Shared::default()).unwrap();
    assert!(route.faults.is_empty(), "{:?}", route.faults);
    let entries = route.entries.iter();
    entries.map(|entry| entry.matching.clone()).collect()
}

/// Requests for such paths.
pub(crate) fn request(path: impl Strategy<Value = String>) -> impl Strategy<Value = Request> {
    let method = prop::sample::select(vec!["GET", "POST"]);
    let header = prop::option::of(prop::sample::select(vec!["1", "22"]));
    (path, method, header, query()).prop_map(|(path, method, header, query)| Request {
        method,
        path,
        headers: header
            .map(|value| ("x-h".to_owned(), value.to_owned()))
            .into_iter()
            .collect(),
        query,
    })
}

/// Queries, some of which look like paths.
fn query() -> impl Strategy<Value = Vec<(String, String)>> {
    let pairs = prop::sample::select(vec![
        vec![],
        vec![],
        vec![("q", "1")],
        vec![("q", "22")],
        vec![("q", "22"), ("q", "1")],
        vec![("z", "/a/../b"), ("q", "1")],
        vec![("z", "//%2f")],
        vec![("", "")],
    ]);
    pairs.prop_map(|pairs| {
        let pairs = pairs.into_iter();
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    })
}

/// Spellings of the same path, and what makes another of it.
pub(crate) fn respelled() -> impl Strategy<Value = fn(&str) -> String> {
    prop::sample::select(vec![
        str::to_owned as fn(&str) -> String,
        str::to_owned,
        str::to_owned,
        |path| path.replace('/', "//"),
        |path| path.replace('/', "/./"),
        |path| path.replacen("/a", "/%61", 1),
        |path| format!("/x/..{path}"),
        |path| format!("{path}/../b"),
        |path| path.replacen("/b", "%2fb", 1),
    ])
}

/// What is on, above, below and beside a path.
pub(crate) fn near() -> impl Strategy<Value = fn(&str) -> String> {
    prop::sample::select(vec![
        str::to_owned as fn(&str) -> String,
        str::to_owned,
        str::to_owned,
        |path| format!("{path}/"),
        |path| format!("{path}//"),
        |path| path.trim_end_matches('/').to_owned() + if path.len() > 1 { "" } else { "/" },
        |path| format!("{}/ab", path.trim_end_matches('/')),
        |path| format!("{path}x"),
        |path| format!("{path};p=1"),
        |path| format!("{path}%2e"),
        |path| path[..path.len().max(2) - 1].to_owned(),
        |path| path[..=path.trim_end_matches('/').rfind('/').unwrap_or(0)].to_owned(),
        |path| path.to_ascii_uppercase(),
        |path| path.replacen('/', "//", 2),
    ])
}
