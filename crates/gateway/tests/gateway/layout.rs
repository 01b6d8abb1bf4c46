//! Whatever the layout, a request gets the route that the ordered list gives it.

use portolan_gateway::{
    layout::{LEAF_ROUTES, LIST_ROUTES, Layout, Sizes, arrange},
    plan::matching::{PathMatch, RouteMatch},
};
use proptest::prelude::*;
use serde_json::json;

use crate::{
    generate::{matching, path, read, request},
    reference::{Request, first, takes},
};

fn arranged(routes: &[RouteMatch], stands_once: impl Fn(usize) -> bool, sizes: Sizes) -> Layout {
    arrange(&routes.iter().collect::<Vec<_>>(), stands_once, sizes)
}

/// What Envoy does with a layout.
fn choose(layout: &Layout, routes: &[RouteMatch], request: &Request) -> Option<usize> {
    let Layout::Tree(tree) = layout else {
        return first(routes, request);
    };
    let target = request.target();
    let leaves = tree.leaves.iter();
    let longest = leaves
        .filter(|leaf| target.starts_with(&leaf.key))
        .max_by_key(|leaf| leaf.key.len());
    assert_eq!(tree.leaf(&target), longest);
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

/// Matches whose paths have so many slashes or more, in the order of the plan or in any.
fn table() -> impl Strategy<Value = Vec<RouteMatch>> {
    let matches = |slashes| prop::collection::vec(matching(path(), slashes), 1..400);
    let matches = (1..4_usize).prop_flat_map(matches);
    (matches, any::<bool>()).prop_map(|(matches, is_ordered)| {
        let mut routes = read(&matches);
        if is_ordered {
            let sort = |path: &PathMatch| match path {
                PathMatch::Exact(_) => 0,
                PathMatch::Prefix(_) => 1,
                PathMatch::Regex(_) => 2,
            };
            routes.sort_by_key(|one| (sort(&one.path), usize::MAX - one.path.text().len()));
        }
        routes
    })
}

fn sizes() -> impl Strategy<Value = Sizes> {
    let small = (1..9_usize, 1..9_usize).prop_map(|(list, leaf)| Sizes { list, leaf });
    prop_oneof![Just(Sizes::default()), small]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_layout_gives_what_the_list_gives(
        routes in table(),
        requests in prop::collection::vec(request(path()), 40),
        counting in prop::collection::btree_set(0..400_usize, 0..5),
        sizes in sizes(),
    ) {
        let layout = arranged(&routes, |position| counting.contains(&position), sizes);
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

    #[test]
    fn no_layout_has_more_than_twice_the_routes(routes in table(), sizes in sizes()) {
        let layout = arranged(&routes, |_| false, sizes);
        prop_assert!(entries(&layout, &routes) <= 2 * routes.len(), "{:?}", layout);
    }
}

/// How many routes all lists have together.
fn entries(layout: &Layout, routes: &[RouteMatch]) -> usize {
    match layout {
        Layout::List => routes.len(),
        Layout::Tree(tree) => tree.lists().map(<[usize]>::len).sum(),
    }
}

fn prefixes(paths: impl Iterator<Item = String>) -> Vec<RouteMatch> {
    let matches: Vec<_> = paths
        .map(|path| json!({"path": {"match": "PREFIX", "value": path}}))
        .collect();
    read(&matches)
}

fn lists(routes: &[RouteMatch]) -> Vec<usize> {
    lists_with_one_of(routes, |_| false)
}

fn lists_with_one_of(routes: &[RouteMatch], stands_once: impl Fn(usize) -> bool) -> Vec<usize> {
    match arranged(routes, stands_once, Sizes::default()) {
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
        lists(&prefixes((0..LIST_ROUTES).map(|n| format!("/{n}")))),
        [LIST_ROUTES]
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

fn expressions(patterns: impl Iterator<Item = String>) -> Vec<RouteMatch> {
    let matches: Vec<_> = patterns
        .map(|pattern| json!({"path": {"match": "REGEX", "value": pattern}}))
        .collect();
    read(&matches)
}

#[test]
fn expressions_stand_under_their_literal_start() {
    let mut routes = prefixes((0..1_000).map(|n| format!("/team-{}/api-{n}", n % 10)));
    routes.extend(expressions(
        (0..200).map(|n| format!("^/team-3/(a|b)[a-z]+/{n}")),
    ));
    let Layout::Tree(tree) = arranged(&routes, |_| false, Sizes::default()) else {
        panic!("a list");
    };
    for leaf in &tree.leaves {
        let has_one = leaf.routes.iter().any(|position| *position >= 1_000);
        assert_eq!(has_one, leaf.key.starts_with("/team-3/"), "{leaf:?}");
        assert!(has_one || leaf.routes.len() <= LEAF_ROUTES);
    }
}

#[test]
fn what_takes_a_whole_part_keeps_expressions_for_any_path_out_of_it() {
    let paths = (0..1_000).map(|n| format!("/team-{}/api-{n}", n % 10));
    // Each team takes all that is its own.
    let teams = (0..10).map(|n| format!("/team-{n}"));
    let mut routes = prefixes(paths.chain(teams));
    routes.extend(expressions((0..300).map(|n| format!(".*/{n}"))));
    let lists = lists(&routes);
    let long = lists.iter().filter(|list| **list > LEAF_ROUTES + 8);
    assert!(long.count() <= 1, "{lists:?}");
}

#[test]
fn hundreds_of_expressions_for_any_path_make_lists_longer() {
    let mut routes = prefixes((0..10_000).map(|n| format!("/team-{}/api-{n}", n % 20)));
    routes.extend(expressions((0..300).map(|n| format!(".*/{n}"))));
    let lists = lists(&routes);
    assert!(lists.iter().sum::<usize>() <= 2 * routes.len());
    assert!(lists.len() > 10, "{lists:?}");
    assert!(lists.iter().max() < Some(&1_500), "{lists:?}");
}
