//! Route tables that are trees, as they are compiled.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use envoy_types::pb::{
    envoy::config::route::v3::{Route, RouteList, VirtualHost, route::Action},
    google::protobuf::Any,
    xds::r#type::matcher::v3::matcher::{MatcherType, OnMatch, matcher_tree::TreeType, on_match},
};
use portolan_gateway::{
    ZoneView,
    chart::Charts,
    explain::{self, TableTaken, explain},
    layout::LEAF_ROUTES,
};
use proptest::test_runner::TestRunner;
use prost::Message;
use serde_json::{Value, json};

use crate::{
    generate::{ascii_path, draw, matching, random, request},
    support::{
        EDGE, ZONE, chart, compile, dataplane, resource, resources, virtual_hosts, with_edge,
    },
};

/// Lists by key, that of all other paths under the empty one; one list is that alone. Routes are named by where
/// they redirect to.
type Lists = BTreeMap<String, Vec<String>>;

fn lists(host: &VirtualHost) -> Lists {
    let Some(matcher) = &host.matcher else {
        return Lists::from([(String::new(), names(&host.routes))]);
    };
    assert!(host.routes.is_empty());
    let default = matcher.on_no_match.as_deref().unwrap();
    let mut lists = Lists::from([(String::new(), names(&list(default)))]);
    let Some(MatcherType::MatcherTree(tree)) = &matcher.matcher_type else {
        panic!("no tree");
    };
    let Some(TreeType::PrefixMatchMap(map)) = &tree.tree_type else {
        panic!("no map of prefixes");
    };
    let leaves = map.map.iter();
    lists.extend(leaves.map(|(key, leaf)| (key.clone(), names(&list(leaf)))));
    lists
}

fn list(leaf: &OnMatch) -> Vec<Route> {
    let Some(on_match::OnMatch::Action(action)) = &leaf.on_match else {
        panic!("no action");
    };
    let Any { value, .. } = action.typed_config.as_ref().unwrap();
    RouteList::decode(&**value).unwrap().routes
}

fn names(routes: &[Route]) -> Vec<String> {
    let name = |action: &Option<Action>| match action {
        Some(Action::Redirect(redirect)) => redirect.host_redirect.clone(),
        _ => "something else".to_owned(),
    };
    routes.iter().map(|route| name(&route.action)).collect()
}

/// A MeshGatewayRoute with one rule that redirects to its name.
fn one(name: &str, matching: &Value) -> Value {
    let filters = json!([{"redirect": {"hostname": name, "statusCode": 302}}]);
    json!({
        "type": "MeshGatewayRoute",
        "name": name,
        "selectors": [{"match": {"kuma.io/service": "edge"}}],
        "conf": {"http": {"rules": [{"matches": [matching], "filters": filters}]}},
    })
}

fn compiled(view: &mut ZoneView) -> Lists {
    let compiled = view.compile(&dataplane("gateway")).unwrap();
    assert!(compiled.faults.is_empty(), "{:?}", compiled.faults);
    lists(&virtual_hosts(&compiled, 8080)[0])
}

/// Keys of lists that are not the same in both.
fn changed(before: &Lists, after: &Lists) -> BTreeSet<String> {
    let keys = before.keys().chain(after.keys());
    keys.filter(|key| before.get(*key) != after.get(*key))
        .cloned()
        .collect()
}

fn table(size: usize, slashes: usize, random: &mut TestRunner) -> ZoneView {
    let mut view = ZoneView::new(ZONE);
    resources(EDGE).iter().for_each(|one| view.put(one));
    for number in 0..size {
        let matching = draw(&matching(ascii_path(), slashes), random);
        view.put(&Arc::new(resource(one(&format!("r{number}"), &matching))));
    }
    view
}

#[test]
fn one_route_more_or_less_changes_few_leaves() {
    let mut random = random(3);
    let (mut trees, mut changes, mut all_without) = (0, 0, 0);
    for case in 0..40 {
        let size = draw(&(LEAF_ROUTES..6 * LEAF_ROUTES), &mut random);
        let mut view = table(size, 1 + case % 3, &mut random);
        for _ in 0..8 {
            let before = compiled(&mut view);
            let new = draw(&matching(ascii_path(), 2), &mut random);
            let new = Arc::new(resource(one("new", &new)));
            view.put(&new);
            let after = compiled(&mut view);
            view.remove(&new.key);
            assert_eq!(compiled(&mut view), before, "not as it was");
            if before.len() == 1 || after.len() == 1 {
                continue;
            }
            let changed = changed(&before, &after);
            let without = others(&before, &after, &changed);
            // At most the parts of one list that is split, and one list for each on the way to it.
            assert!(without <= LEAF_ROUTES, "{} changed {changed:?}", new.key);
            trees += 1;
            changes += changed.len();
            all_without += without;
        }
    }
    assert!(trees > 100, "only {trees} trees");
    // That is seldom.
    assert!(
        all_without < trees / 3,
        "{all_without} of {changes} in {trees} trees"
    );
}

/// How many lists have changed without having the new route.
fn others(before: &Lists, after: &Lists, changed: &BTreeSet<String>) -> usize {
    let has = |lists: &Lists, key: &String| {
        let list = lists.get(key);
        list.is_some_and(|list| list.iter().any(|name| name == "new"))
    };
    let without = changed.iter();
    let without = without.filter(|key| !has(before, key) && !has(after, key));
    without.count()
}

#[test]
fn a_route_among_thousands_changes_one_leaf() {
    let mut view = ZoneView::new(ZONE);
    resources(EDGE).iter().for_each(|one| view.put(one));
    let prefix = |path: String| json!({"path": {"match": "PREFIX", "value": path}});
    for number in 0..5_000 {
        let path = format!("/team-{}/app-{}/api-{number}", number % 20, number % 300);
        view.put(&Arc::new(resource(one(
            &format!("r{number}"),
            &prefix(path),
        ))));
    }
    view.put(&Arc::new(resource(one("all", &prefix("/".to_owned())))));
    for path in [
        "/team-3/app-23/new",
        "/team-3/app-23/api-23",
        "/team-99/x",
        "/y",
    ] {
        let before = compiled(&mut view);
        let new = Arc::new(resource(one("new", &prefix(path.to_owned()))));
        view.put(&new);
        let after = compiled(&mut view);
        let changed = changed(&before, &after);
        assert!(changed.len() <= 2, "{path}: {changed:?}");
        assert!(before.len() > 100, "{}", before.len());
        view.remove(&new.key);
    }
}

#[test]
fn an_explanation_tells_the_leaf_that_envoy_walks() {
    let mut random = random(4);
    let mut trees = 0;
    for case in 0..30 {
        let size = draw(&(1..4 * LEAF_ROUTES), &mut random);
        let (mut view, mut charts) = (ZoneView::new(ZONE), Charts::new(ZONE));
        let mut all = resources(EDGE);
        for number in 0..size {
            let matching = draw(&matching(ascii_path(), 1 + case % 3), &mut random);
            all.push(Arc::new(resource(one(&format!("r{number}"), &matching))));
        }
        for one in &all {
            view.put(one);
            charts.put(one);
        }
        let lists = compiled(&mut view);
        let chart = charts.mesh("default");
        for _ in 0..10 {
            let request = draw(&request(ascii_path()), &mut random);
            let asked = get(&request.target());
            let explanation = explain(&chart, "edge", &asked, None).unwrap();
            let target = explanation.target.as_deref().unwrap();
            let keys = lists.iter().filter(|(key, _)| target.starts_with(&***key));
            let (key, list) = keys.max_by_key(|(key, _)| key.len()).unwrap();
            let expected = match lists.len() {
                1 => TableTaken::List,
                _ => TableTaken::Tree {
                    leaf: Some(key.clone()).filter(|key| !key.is_empty()),
                    routes: list.len(),
                },
            };
            let host = explanation.answers[0].host.as_ref().unwrap();
            assert_eq!(host.table, Some(expected), "{target}");
            trees += usize::from(lists.len() > 1);
        }
    }
    assert!(trees > 50, "only {trees} trees");
}

fn get(target: &str) -> explain::Request {
    explain::Request {
        host: "any.test".to_owned(),
        path: target.to_owned(),
        method: "GET".to_owned(),
        headers: Vec::new(),
        port: None,
        protocol: None,
        sni: None,
    }
}

/// Two hosts with so many routes each that they are trees, and a ProxyTemplate with these modifications.
fn modified(modifications: &str) -> String {
    let rules = |host: &str| {
        let rule = |number: usize| {
            format!(
                "{{matches: [{{path: {{match: PREFIX, value: /r{number}}}}}], \
                 filters: [{{redirect: {{hostname: r{number}, statusCode: 302}}}}]}},"
            )
        };
        let rules: String = (0..200).map(rule).collect();
        format!(
            "---
type: MeshGatewayRoute
name: {host}
selectors: [{{match: {{kuma.io/service: edge}}}}]
conf: {{http: {{hostnames: [{host}.test], rules: [{rules}]}}}}
"
        )
    };
    let template = format!(
        "---
type: ProxyTemplate
name: own
conf: {{modifications: [{modifications}]}}
"
    );
    with_edge(&[rules("a"), rules("b"), template].concat())
}

#[test]
fn a_host_to_which_a_template_adds_routes_is_a_list_and_no_other() {
    let own = "{match: {path: /own}, redirect: {hostRedirect: own}}";
    let patch = |name: &str, value: &str| {
        format!("{{virtualHost: {{operation: patch, match: {{name: {name}}}, value: '{value}'}}}}")
    };
    let yaml = modified(&patch("a.test", &format!("{{routes: [{own}]}}")));
    let compiled = compile(&yaml);
    assert!(compiled.faults.is_empty(), "{:?}", compiled.faults);
    let hosts = virtual_hosts(&compiled, 8080);
    let of = |name: &str| hosts.iter().find(|host| host.name == name).unwrap();
    // The plan's order, then what the template adds.
    let a = lists(of("a.test"));
    assert_eq!(a[""].len(), 201);
    assert_eq!(a[""].last().map(String::as_str), Some("own"));
    assert!(lists(of("b.test")).len() > 1);
    let chart = chart(&yaml);
    for (host, is_list) in [("a.test", true), ("b.test", false)] {
        let asked = explain::Request {
            host: host.to_owned(),
            ..get("/r7")
        };
        let explanation = explain(&chart, "edge", &asked, None).unwrap();
        let host = explanation.answers[0].host.clone().unwrap();
        assert_eq!(host.table == Some(TableTaken::List), is_list, "{host:?}");
    }

    // Everything else of a host is patched around its tree, which stays as it is.
    let yaml = modified(&patch("a.test", "{requestHeadersToRemove: [x-gone]}"));
    let hosts = virtual_hosts(&compile(&yaml), 8080);
    let plain = virtual_hosts(&compile(&modified("")), 8080);
    let a = hosts.iter().find(|host| host.name == "a.test").unwrap();
    assert_eq!(a.request_headers_to_remove, ["x-gone"]);
    let before = plain.iter().find(|host| host.name == "a.test").unwrap();
    assert_eq!(lists(a), lists(before));
    assert!(lists(a).len() > 1);
}

#[test]
fn a_host_that_a_template_brings_with_a_matcher_gets_no_routes_beside_it() {
    let any = "{action: {name: routes, typedConfig: {\"@type\": type.googleapis.com/envoy.config.route.v3.Route, \
               match: {prefix: /}, redirect: {hostRedirect: own}}}}";
    let host = format!("{{name: own, domains: [own.test], matcher: {{onNoMatch: {any}}}}}");
    let more = "{routes: [{match: {path: /own}, redirect: {hostRedirect: own}}]}";
    let yaml = modified(&format!(
        "{{virtualHost: {{operation: add, value: '{host}'}}}}, \
         {{virtualHost: {{operation: patch, match: {{name: own}}, value: '{more}'}}}}"
    ));
    let compiled = compile(&yaml);
    let faults: Vec<_> = compiled.faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(
        faults[0].contains("conf.modifications[1]") && faults[0].contains("matcher"),
        "{faults:?}"
    );
    let hosts = virtual_hosts(&compiled, 8080);
    let own = hosts.iter().find(|host| host.name == "own").unwrap();
    assert!(own.routes.is_empty() && own.matcher.is_some());
}
