//! Each kind of match takes what it should.

use super::process::{self, Envoy};
use crate::support::{redirecting, view};

/// Matches of one rule each, by the name of a route: the host that it redirects to.
const ROUTES: [(&str, &str); 15] = [
    ("exact", "[{path: {match: EXACT, value: /exact}}]"),
    ("prefix", "[{path: {match: PREFIX, value: /prefix/}}]"),
    ("deeper", "[{path: {match: PREFIX, value: /prefix/deeper}}]"),
    ("regex", "[{path: {match: REGEX, value: '/item-[0-9]+'}}]"),
    (
        "method",
        "[{path: {match: EXACT, value: /exact}, method: PATCH}]",
    ),
    (
        "header-exact",
        "[{path: {value: /h}, headers: [{name: x-a, value: '1'}]}]",
    ),
    (
        "header-regex",
        "[{path: {value: /h}, headers: [{name: x-a, match: REGEX, value: '2+'}]}]",
    ),
    (
        "header-present",
        "[{path: {value: /h}, headers: [{name: x-b, match: PRESENT}]}]",
    ),
    (
        "header-absent",
        "[{path: {value: /no}, headers: [{name: x-b, match: ABSENT}]}]",
    ),
    (
        "query-exact",
        "[{path: {value: /q}, queryParameters: [{name: a, value: '1'}]}]",
    ),
    (
        "query-regex",
        "[{path: {value: /q}, queryParameters: [{name: a, match: REGEX, value: '2+'}]}]",
    ),
    (
        "several",
        "[{path: {value: /all}, method: PUT, headers: [{name: x-a, value: '1'}], \
         queryParameters: [{name: a, value: '1'}]}]",
    ),
    ("either", "[{path: {value: /one}}, {path: {value: /other}}]"),
    ("any-host", "[{path: {value: /host}}]"),
    ("no-path", "[{method: DELETE}]"),
];

/// Method, target, header and the route that takes the request.
type Case = (
    &'static str,
    &'static str,
    Option<(&'static str, &'static str)>,
    Option<&'static str>,
);

const CASES: [Case; 35] = [
    ("GET", "/exact", None, Some("exact")),
    ("GET", "/exact?x=/y", None, Some("exact")),
    ("GET", "/exact/", None, None),
    ("GET", "/Exact", None, None),
    ("PATCH", "/exact", None, Some("method")),
    ("GET", "/prefix", None, Some("prefix")),
    ("GET", "/prefix?x", None, Some("prefix")),
    ("GET", "/prefix/", None, Some("prefix")),
    ("POST", "/prefix/x/y", None, Some("prefix")),
    ("GET", "/prefixed", None, None),
    ("GET", "/prefix/deeper", None, Some("deeper")),
    ("GET", "/prefix/deeper/x", None, Some("deeper")),
    ("GET", "/prefix/deepers", None, Some("prefix")),
    ("GET", "/item-12", None, Some("regex")),
    ("GET", "/item-12?x", None, Some("regex")),
    ("GET", "/item-12/x", None, None),
    ("GET", "/x/item-12", None, None),
    ("GET", "/h", Some(("x-a", "1")), Some("header-exact")),
    ("GET", "/h", Some(("X-A", "1")), Some("header-exact")),
    ("GET", "/h", Some(("x-a", "222")), Some("header-regex")),
    ("GET", "/h", Some(("x-a", "2221")), None),
    (
        "GET",
        "/h",
        Some(("x-b", "anything")),
        Some("header-present"),
    ),
    ("GET", "/h", None, None),
    ("GET", "/no", None, Some("header-absent")),
    ("GET", "/no", Some(("x-b", "anything")), None),
    ("GET", "/q?a=1", None, Some("query-exact")),
    ("GET", "/q?b=0&a=1", None, Some("query-exact")),
    ("GET", "/q?a=22", None, Some("query-regex")),
    ("GET", "/q?a=221", None, None),
    ("GET", "/q", None, None),
    ("PUT", "/all?a=1", Some(("x-a", "1")), Some("several")),
    ("PUT", "/all?a=2", Some(("x-a", "1")), None),
    ("POST", "/all?a=1", Some(("x-a", "1")), None),
    ("GET", "/other", None, Some("either")),
    ("DELETE", "/anything", None, Some("no-path")),
];

/// A host, and the route that takes its `/`; each of these names its own.
const HOSTS: [(&str, Option<&str>); 6] = [
    ("a.shop.test", Some("host-exact")),
    ("A.Shop.Test:80", Some("host-exact")),
    ("b.shop.test", Some("host-wildcard")),
    ("c.b.shop.test", Some("host-wildcard")),
    ("shop.test", None),
    ("shop.example", None),
];

#[test]
fn each_kind_of_match_takes_what_it_should() {
    let port = process::free_port();
    let root = "[{path: {match: EXACT, value: /}}]";
    let routes: String = ROUTES
        .iter()
        .map(|(name, matches)| redirecting(name, "", matches))
        .collect();
    let yaml = process::edge(port)
        + &routes
        + &redirecting("host-exact", "hostnames: [a.shop.test],", root)
        + &redirecting("host-wildcard", "hostnames: ['*.shop.test'],", root);
    let mut view = view(&yaml);
    let Some(envoy) = Envoy::start(&mut view, port) else {
        return;
    };

    let mut client = envoy.client();
    for (method, target, header, expected) in CASES {
        let headers: Vec<_> = header.into_iter().collect();
        let answer = client.send(method, "any.test", target, &headers);
        assert_eq!(
            answer.redirected_to(),
            expected,
            "{method} {target} {header:?}"
        );
    }
    for (host, expected) in HOSTS {
        let answer = client.send("GET", host, "/", &[]);
        assert_eq!(answer.redirected_to(), expected, "{host}");
    }
    // Routes without hostnames serve the hosts that others name, too.
    for host in ["a.shop.test", "b.shop.test", "any.test"] {
        let answer = client.send("GET", host, "/host", &[]);
        assert_eq!(answer.redirected_to(), Some("any-host"), "{host}");
    }
}
