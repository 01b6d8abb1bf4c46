//! Whatever the layout, a request gets the route that the ordered list gives it.

use portolan_gateway::{
    layout::{LEAF_ROUTES, Layout, arrange},
    plan::matching::{HeaderCondition, HeaderMatch, PathMatch, QueryMatch, RouteMatch, TextMatch},
};
use proptest::prelude::*;

use crate::reference::{Request, first, path, pattern, request, takes};

fn prefix(path: &str) -> PathMatch {
    match path.trim_end_matches('/') {
        "" => PathMatch::Prefix("/".into()),
        trimmed => PathMatch::Prefix(trimmed.into()),
    }
}

fn route() -> impl Strategy<Value = RouteMatch> {
    let path = prop_oneof![
        4 => path().prop_map(|path| prefix(&path)),
        4 => path().prop_map(|path| PathMatch::Exact(path.into())),
        1 => pattern().prop_map(|pattern| PathMatch::Regex(pattern.into())),
    ];
    let method = prop::option::weighted(0.3, Just("POST"));
    let header = prop::option::weighted(
        0.2,
        prop::sample::select(vec![
            HeaderCondition::Present,
            HeaderCondition::Absent,
            HeaderCondition::Value(TextMatch::Exact("1".into())),
            HeaderCondition::Value(TextMatch::Regex("2+".into())),
        ]),
    );
    let query = prop::option::weighted(0.2, Just(TextMatch::Exact("1".into())));
    (path, method, header, query).prop_map(|(path, method, header, query)| RouteMatch {
        path,
        method,
        headers: header
            .map(|condition| HeaderMatch {
                name: "x-h".into(),
                condition,
            })
            .into_iter()
            .collect(),
        query: query
            .map(|value| QueryMatch {
                name: "q".into(),
                value,
            })
            .into_iter()
            .collect(),
    })
}

/// What Envoy does with a layout.
fn choose(layout: &Layout, routes: &[RouteMatch], request: &Request) -> Option<usize> {
    let Layout::Tree(tree) = layout else {
        return first(routes, request);
    };
    let target = request.target();
    let leaves = tree
        .leaves
        .iter()
        .filter(|leaf| target.starts_with(&leaf.key));
    let longest = leaves.max_by_key(|leaf| leaf.key.len());
    let list = longest.map_or(&tree.default, |leaf| &leaf.routes);
    list.iter()
        .copied()
        .find(|position| takes(&routes[*position], request))
}

/// In how many lists a route stands.
fn times(layout: &Layout, position: usize) -> usize {
    let Layout::Tree(tree) = layout else {
        return 1;
    };
    let leaves = tree.leaves.iter().map(|leaf| &leaf.routes);
    let lists = leaves.chain([&tree.default]);
    lists.filter(|list| list.contains(&position)).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_layout_gives_what_the_list_gives(
        routes in prop::collection::vec(route(), 1..400),
        requests in prop::collection::vec(request(path()), 40),
        counting in prop::collection::btree_set(0..400_usize, 0..5),
    ) {
        let layout = arrange(&routes.iter().collect::<Vec<_>>(), |position| counting.contains(&position));
        for position in counting {
            prop_assert!(times(&layout, position) <= 1, "{} in {:?}", position, layout);
        }
        for request in &requests {
            prop_assert_eq!(
                choose(&layout, &routes, request),
                first(&routes, request),
                "{:?} in {:?}", request, layout
            );
        }
    }
}

fn prefixes(paths: impl Iterator<Item = String>) -> Vec<RouteMatch> {
    let route = |path: String| RouteMatch {
        path: prefix(&path),
        method: None,
        headers: Box::default(),
        query: Box::default(),
    };
    paths.map(route).collect()
}

fn lists(routes: &[RouteMatch]) -> Vec<usize> {
    lists_with_one_of(routes, |_| false)
}

fn lists_with_one_of(routes: &[RouteMatch], stands_once: impl Fn(usize) -> bool) -> Vec<usize> {
    match arrange(&routes.iter().collect::<Vec<_>>(), stands_once) {
        Layout::List => vec![routes.len()],
        Layout::Tree(tree) => {
            let leaves = tree.leaves.iter().map(|leaf| leaf.routes.len());
            leaves.chain([tree.default.len()]).collect()
        }
    }
}

#[test]
fn a_short_list_stays_one() {
    assert_eq!(
        lists(&prefixes((0..LEAF_ROUTES).map(|n| format!("/{n}")))),
        [LEAF_ROUTES]
    );
}

#[test]
fn a_long_list_becomes_short_ones_that_repeat_little() {
    let routes = prefixes(
        (0..10_000)
            .map(|n| format!("/team-{}/api-{n}", n % 7))
            .chain(["/".to_owned()]),
    );
    let lists = lists(&routes);
    // What all have in common joins each list.
    assert!(
        lists.iter().all(|list| *list <= LEAF_ROUTES + 8),
        "{:?}",
        lists.iter().max()
    );
    assert!(lists.iter().sum::<usize>() < routes.len() * 3 / 2);
}

#[test]
fn a_route_that_stands_once_keeps_together_what_it_may_take() {
    let routes = prefixes(
        (0..1_000)
            .map(|n| format!("/team-{}/api-{n}", n % 10))
            .chain(["/team-3".to_owned(), "/".to_owned()]),
    );
    let lists = lists_with_one_of(&routes, |position| position == 1_000);
    // Its own hundred, itself and the one of all paths in one list; all others as before.
    assert_eq!(
        lists.iter().filter(|list| **list > LEAF_ROUTES + 8).count(),
        1
    );
    assert_eq!(lists.iter().max(), Some(&102));
    // One that takes all paths leaves nothing to split.
    assert_eq!(
        lists_with_one_of(&routes, |position| position == 1_001),
        [1_002]
    );
}

#[test]
fn where_paths_do_not_tell_routes_apart_the_list_stays() {
    let same = prefixes((0..1_000).map(|_| "/a".to_owned()));
    assert_eq!(lists(&same), [1_000]);

    let mut everywhere = prefixes((0..1_000).map(|n| format!("/{n}")));
    everywhere
        .iter_mut()
        .step_by(2)
        .for_each(|route| route.path = PathMatch::Regex(".*x".into()));
    assert_eq!(lists(&everywhere), [1_000]);
}

#[test]
fn nesting_as_deep_as_paths_go_is_no_trouble() {
    let deep = prefixes((0..3_000).map(|n| format!("/{}", "a".repeat(n))));
    assert!(lists(&deep).len() > 1_000);
}
