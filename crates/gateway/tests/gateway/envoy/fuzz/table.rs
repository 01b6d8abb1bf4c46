//! Random MeshGatewayRoutes, of many kinds of routes, each of which names itself in its answer.

use portolan_gateway::layout::LEAF_ROUTES;
use proptest::{prelude::*, test_runner::TestRunner};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::generate::{ascii_path, draw, matching, near, request, respelled};
use crate::reference::Request;

/// Most tables have no more routes than this.
const MOST_ROUTES: usize = 250;

/// A MeshGatewayRoute.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) hostname: String,
    pub(super) rules: Vec<Value>,
}

/// What belongs together: MeshGatewayRoutes, and the hosts that requests for them name.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) parts: Vec<Part>,
    pub(super) hosts: Vec<String>,
}

/// A table by its number, with leaves of about so many routes in mind.
pub(super) fn table(number: usize, leaf: usize, random: &mut TestRunner) -> Table {
    // Each fourth has routes that must stand once; few of them leave something to split.
    let limited = u32::from(number.is_multiple_of(4));
    let kinds = (
        prop::collection::vec(any::<prop::sample::Index>(), 1..2),
        0..100_u32,
    );
    let _ = kinds;
    let size = draw(&size(leaf), random);
    let slashes = 1 + number % 3;
    let names = match number % 5 {
        4 => vec![format!("*.w{number}.test"), format!("a.w{number}.test")],
        _ => vec![format!("t{number}.test")],
    };
    let hosts = match number % 5 {
        4 => vec![format!("a.w{number}.test"), format!("b.w{number}.test")],
        _ => names.clone(),
    };
    let mut parts: Vec<Part> = Vec::new();
    let strategy = rule(slashes, limited);
    for position in 0..size {
        // Two MeshGatewayRoutes at least, so that their order counts.
        let of = position % names.len().max(2);
        if of >= parts.len() {
            parts.push(Part {
                name: format!("t{number}-{of}"),
                hostname: names[of % names.len()].clone(),
                rules: Vec::new(),
            });
        }
        let marker = format!("{}-r{}", parts[of].name, parts[of].rules.len());
        parts[of]
            .rules
            .push(marked(draw(&strategy, random), &marker));
    }
    Table { parts, hosts }
}

/// Numbers of routes: around everything that decides about the layout, and any.
fn size(leaf: usize) -> impl Strategy<Value = usize> {
    let around = |size: usize| [size.saturating_sub(1).max(1), size, size + 1];
    let edges = [leaf, 2 * leaf, LEAF_ROUTES, 2 * LEAF_ROUTES];
    let edges: Vec<_> = edges.into_iter().flat_map(around).collect();
    prop_oneof![
        4 => prop::sample::select(edges),
        4 => 1..MOST_ROUTES,
        1 => Just(4 * MOST_ROUTES),
    ]
}

/// A rule that does not name itself yet. `limited` of twenty are for a service with a RateLimit.
fn rule(slashes: usize, limited: u32) -> impl Strategy<Value = Value> {
    let matches = prop_oneof![
        9 => prop::collection::vec(matching(ascii_path(), slashes), 1),
        1 => prop::collection::vec(matching(ascii_path(), slashes), 2..4),
    ];
    let prefix = prop::sample::select(vec!["/new", "/new/", "/", ""]);
    let path = prop::option::weighted(
        0.3,
        prop_oneof![
            prefix.prop_map(|new| json!({"replacePrefixMatch": new})),
            Just(json!({"replaceFull": "/full"})),
        ],
    );
    let to = |services: &[&str]| {
        let backend = |service| json!({"destination": {"kuma.io/service": service}, "weight": 1});
        json!(services.iter().map(backend).collect::<Vec<_>>())
    };
    let backends = prop_oneof![
        14 => Just(Value::Null),
        3 => Just(to(&["echo"])),
        1 => Just(to(&["echo", "twin"])),
        1 => Just(to(&["faulty"])),
        limited => Just(to(&["limited"])),
    ];
    (matches, path, backends).prop_map(|(matches, path, backends)| {
        let mut filters = Vec::new();
        if backends.is_null() {
            let mut redirect = json!({"statusCode": 302});
            if let Some(path) = path {
                redirect["path"] = path;
            }
            filters.push(json!({"redirect": redirect}));
            return json!({"matches": matches, "filters": filters});
        }
        filters.push(json!({"responseHeader": {"set": [{"name": "x-route", "value": ""}]}}));
        filters.extend(path.map(|path| json!({"rewrite": path})));
        json!({"matches": matches, "filters": filters, "backends": backends})
    })
}

/// A rule whose answers have this name: they redirect to it, or have it in `x-route`.
fn marked(mut rule: Value, marker: &str) -> Value {
    let first = &mut rule["filters"][0];
    match first.get_mut("redirect") {
        Some(redirect) => redirect["hostname"] = marker.into(),
        None => first["responseHeader"]["set"][0]["value"] = marker.into(),
    }
    rule
}

/// The name in the answers of a rule.
pub(super) fn marker(rule: &Value) -> &str {
    let first = &rule["filters"][0];
    let redirect = first["redirect"]["hostname"].as_str();
    redirect
        .or(first["responseHeader"]["set"][0]["value"].as_str())
        .expect("a name")
}

/// Requests for a table, each with the host that it names.
pub(super) fn requests(
    table: &Table,
    count: usize,
    random: &mut TestRunner,
) -> Vec<(String, Request)> {
    let rules = table.parts.iter().flat_map(|part| &part.rules);
    let matches = rules.flat_map(|rule| rule["matches"].as_array().into_iter().flatten());
    let literal = matches.filter(|one| one["path"]["match"] != "REGEX");
    let paths = literal.filter_map(|one| one["path"]["value"].as_str().map(str::to_owned));
    let paths: Vec<String> = paths.chain(["/".to_owned()]).collect();
    let path = prop_oneof![
        3 => prop::sample::select(paths),
        2 => ascii_path(),
    ];
    let path = (path, near(), respelled());
    let path = path.prop_map(|(path, near, respell)| respell(&near(&path)));
    let host = prop::sample::select(table.hosts.clone());
    let strategy = (host, request(path));
    (0..count).map(|_| draw(&strategy, random)).collect()
}
