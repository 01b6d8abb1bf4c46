//! What explanations say.

use portolan_gateway::explain::{Answer, Explanation, Failed, Request, explain};

use crate::support::{EDGE, chart, redirecting, with_edge};

fn get(host: &str, path: &str) -> Request {
    Request {
        host: host.to_owned(),
        path: path.to_owned(),
        method: "GET".to_owned(),
        headers: Vec::new(),
        port: None,
        protocol: None,
        sni: None,
    }
}

fn explained(yaml: &str, request: &Request) -> Explanation {
    explain(&chart(yaml), "edge", request, None).expect("a gateway")
}

/// The only answer.
fn answered(yaml: &str, request: &Request) -> Answer {
    let mut explanation = explained(yaml, request);
    assert_eq!(explanation.answers.len(), 1, "{explanation:#?}");
    explanation.answers.remove(0)
}

const BACKENDS: &str = "
type: MeshGatewayRoute
name: shop
selectors: [{match: {kuma.io/service: edge}}]
conf: {http: {rules: [{
  matches: [{path: {match: PREFIX, value: /shop}, method: GET}],
  filters: [{rewrite: {replacePrefixMatch: /}}],
  backends: [{weight: 3, destination: {kuma.io/service: a}}, {weight: 1, destination: {kuma.io/service: b}}]
}]}}
---
type: Dataplane
name: a-1
networking: {address: 10.0.0.1, inbound: [{port: 80, tags: {kuma.io/service: a}}]}
---
type: Dataplane
name: a-2
networking: {address: 10.0.0.2, inbound: [{port: 80, state: NotReady, tags: {kuma.io/service: a}}]}
";

#[test]
fn a_route_is_told_with_its_backends_and_their_endpoints() {
    let answer = answered(&with_edge(BACKENDS), &get("any", "/shop/cart?x=1"));
    let route = answer.route.unwrap();
    assert_eq!(
        (route.place.position, &*route.place.name, route.place.rule),
        (1, "shop", 0)
    );
    assert_eq!(route.place.conditions, "PREFIX /shop, method GET");
    assert_eq!(route.filters, ["rewrite path: prefix by /"]);
    let backends: Vec<_> = route
        .backends
        .iter()
        .map(|backend| {
            (
                backend.percent,
                backend.endpoints.join(" "),
                backend.unhealthy,
            )
        })
        .collect();
    assert_eq!(
        backends,
        [
            (75.0, "10.0.0.1:80".to_owned(), 1),
            (25.0, String::new(), 0)
        ]
    );
    assert!(
        answer.outcome.what.contains("it gets path /cart"),
        "{:?}",
        answer.outcome
    );
    assert!(answer.outcome.what.contains("503"), "{:?}", answer.outcome);
    assert_eq!(answer.zone.as_deref(), Some("east"));
}

#[test]
fn each_sort_of_condition_tells_what_was_wanted_and_seen() {
    let routes: String = [
        ("exact", "[{path: {match: EXACT, value: /a/b}}]"),
        ("method", "[{path: {match: PREFIX, value: /a}, method: POST}]"),
        ("absent", "[{path: {match: PREFIX, value: /a}, headers: [{name: x, match: ABSENT}, {name: y, value: z}, {name: z, value: z}]}]"),
        ("header", "[{path: {match: PREFIX, value: /a}, headers: [{name: X, match: REGEX, value: 'b.*'}, {name: y, match: ABSENT}]}]"),
        ("query", "[{path: {match: PREFIX, value: /a}, queryParameters: [{name: q, value: '2'}]}]"),
        ("all", "[{path: {match: REGEX, value: '/a.*'}}]"),
    ]
    .map(|(name, matches)| redirecting(name, "", matches))
    .concat();
    let request = Request {
        headers: vec![
            ("x".to_owned(), "a".to_owned()),
            ("X".to_owned(), "b".to_owned()),
        ],
        ..get("any", "/a?q=1")
    };
    let answer = answered(&with_edge(&routes), &request);
    let tried: Vec<_> = answer
        .tried
        .iter()
        .map(|tried| (&*tried.place.name, tried.failed, &*tried.why))
        .collect();
    assert_eq!(
        tried,
        [
            ("exact", Failed::Path, "EXACT /a/b does not take /a"),
            ("method", Failed::Method, "method POST is wanted, it is GET"),
            (
                "absent",
                Failed::Header,
                "no header x is wanted, the request has \"a,b\""
            ),
            (
                "header",
                Failed::Header,
                "header X ~ b.* is wanted, the request has \"a,b\""
            ),
            (
                "query",
                Failed::Query,
                "query parameter q = \"2\" is wanted, the request has \"1\""
            ),
        ]
    );
    assert_eq!(answer.route.unwrap().place.name, "all");
    assert_eq!(
        answer.outcome.location.as_deref(),
        Some("http://all:8080/a")
    );
}

#[test]
fn of_many_routes_those_that_take_the_path_are_listed_first() {
    let mut rules: Vec<String> = (0..300)
        .map(|n| format!("{{matches: [{{path: {{match: EXACT, value: /{n}}}}}], filters: [{{redirect: {{hostname: x, statusCode: 302}}}}]}}"))
        .collect();
    rules.extend((0..70).map(|n| format!("{{matches: [{{headers: [{{name: x, value: '{n}'}}]}}], filters: [{{redirect: {{hostname: x, statusCode: 302}}}}]}}")));
    let yaml = with_edge(&format!(
        "type: MeshGatewayRoute\nname: many\nselectors: [{{match: {{kuma.io/service: edge}}}}]\nconf: {{http: {{rules: [{}]}}}}\n",
        rules.join(", ")
    ));
    let answer = answered(&yaml, &get("any", "/none"));
    assert_eq!((answer.tried.len(), answer.more_tried), (100, 270));
    let near = answer
        .tried
        .iter()
        .filter(|tried| tried.failed == Failed::Header)
        .count();
    assert_eq!(near, 70);
    assert!(answer.tried.is_sorted_by_key(|tried| tried.place.position));
    assert_eq!(answer.outcome.status, Some(404));
}

#[test]
fn the_listener_is_the_one_asked_for_or_the_first_that_takes_the_host() {
    let yaml = "
type: Dataplane
name: gateway
networking: {address: 127.0.0.1, gateway: {type: BUILTIN, tags: {kuma.io/service: edge}}}
---
type: MeshGateway
name: edge
selectors: [{match: {kuma.io/service: edge}}]
conf: {listeners: [{port: 80, protocol: HTTP, hostname: a.test}, {port: 81, protocol: HTTP, hostname: '*.test'}]}
";
    let port = |request: &Request| {
        answered(yaml, request)
            .listener
            .map(|listener| listener.port)
    };
    assert_eq!(port(&get("a.test:1234", "/")), Some(80));
    assert_eq!(port(&get("b.test", "/")), Some(81));
    let asked = |number| Request {
        port: Some(number),
        ..get("a.test", "/")
    };
    assert_eq!(port(&asked(81)), Some(81));
    let nobody = answered(yaml, &asked(82)).outcome;
    assert_eq!(nobody.status, None);
    assert!(nobody.what.contains("80 HTTP, 81 HTTP"), "{}", nobody.what);
    let unknown = answered(yaml, &get("a.com", "/")).outcome;
    assert_eq!((unknown.status, unknown.body), (Some(404), None));
    assert!(
        unknown.what.contains("a.test:80, *.test:81"),
        "{}",
        unknown.what
    );
    let empty = answered(yaml, &get("a.test", "/")).outcome;
    assert!(
        empty
            .body
            .unwrap()
            .starts_with("This is a Portolan MeshGateway")
    );
}

#[test]
fn what_no_route_ever_sees() {
    for (request, why) in [
        (get("any", "/a#b"), "#"),
        (get("", "/"), "no host"),
        (
            Request {
                headers: vec![("a_b".to_owned(), String::new())],
                ..get("any", "/")
            },
            "underscore",
        ),
    ] {
        let outcome = answered(EDGE, &request).outcome;
        assert_eq!(outcome.status, Some(400));
        assert!(outcome.what.contains(why), "{}", outcome.what);
    }
}

#[test]
fn zones_answer_for_themselves_and_a_gateway_without_instances_as_it_would() {
    let edge = EDGE.replace(
        "name: gateway",
        "name: gateway\nlabels: {kuma.io/zone: west}",
    );
    let yaml = format!(
        "{edge}---{}---\n{BACKENDS}",
        EDGE.split("---").next().unwrap()
    );
    let zones: Vec<_> = explained(&yaml, &get("any", "/shop"))
        .answers
        .into_iter()
        .map(|answer| (answer.zone.unwrap(), answer.outcome.status))
        .collect();
    // The services are in the east.
    assert_eq!(zones.len(), 1, "one Dataplane name is one Dataplane");
    let west = explain(
        &chart(&with_edge(BACKENDS)),
        "edge",
        &get("any", "/"),
        Some("west"),
    )
    .unwrap();
    assert!(
        west.answers.is_empty() && west.notes[0].contains("zone west"),
        "{west:?}"
    );

    let gateway = EDGE.split("---").nth(1).unwrap();
    let without = explained(&format!("{gateway}---\n{BACKENDS}"), &get("any", "/shop"));
    assert!(
        without.notes[0].contains("no Dataplane runs"),
        "{without:?}"
    );
    assert_eq!(
        without.answers[0].route.as_ref().unwrap().place.name,
        "shop"
    );
    assert_eq!(without.answers[0].instances, 0);
    assert!(explain(&chart(EDGE), "none", &get("any", "/"), None).is_none());
}

#[test]
fn what_sync_renamed_is_known_by_the_name_that_its_author_gave() {
    let renamed = |yaml: String, name: &str| {
        let (old, label) = (
            format!("name: {name}\nselectors"),
            format!("name: {name}-x7\nlabels: {{kuma.io/display-name: {name}}}\nselectors"),
        );
        assert!(yaml.contains(&old));
        yaml.replace(&old, &label)
    };
    let yaml = renamed(renamed(with_edge(BACKENDS), "edge"), "shop");
    for name in ["edge", "edge-x7"] {
        let explanation = explain(&chart(&yaml), name, &get("any", "/shop"), None).unwrap();
        assert_eq!(explanation.gateway, "edge");
        assert_eq!(
            explanation.answers[0].route.as_ref().unwrap().place.name,
            "shop"
        );
    }
}

#[test]
fn what_gateways_do_not_use_is_told() {
    let unused = "
---
type: TrafficRoute
name: all
sources: [{match: {kuma.io/service: '*'}}]
destinations: [{match: {kuma.io/service: '*'}}]
conf: {destination: {kuma.io/service: '*'}}
";
    let with = explained(
        &with_edge(&format!("{BACKENDS}{unused}")),
        &get("any", "/shop"),
    );
    assert_eq!(with.notes, ["gateways do not use TrafficRoute/default/all"]);
    assert!(
        explained(&with_edge(BACKENDS), &get("any", "/shop"))
            .notes
            .is_empty()
    );
}

/// `shop` of [`BACKENDS`] with two versions of service a, which are members of a mesh with mutual TLS.
fn of_members(permissions: &[(&str, &str, &str)]) -> String {
    let permissions = permissions.iter().map(|(name, source, destination)| {
        format!(
            "---
type: TrafficPermission
name: {name}
sources: [{{match: {{kuma.io/service: {source}}}}}]
destinations: [{{match: {{{destination}}}}}]
"
        )
    });
    let permissions: String = permissions.collect();
    with_edge(&format!(
        "{BACKENDS}
---
type: Dataplane
name: a-3
networking: {{address: 10.0.0.3, inbound: [{{port: 80, tags: {{kuma.io/service: a, version: v2}}}}]}}
---
type: Dataplane
name: b-1
networking: {{address: 10.0.0.4, inbound: [{{port: 80, tags: {{kuma.io/service: b}}}}]}}
---
type: Mesh
name: default
mtls: {{enabledBackend: ca-1, backends: [{{name: ca-1, type: builtin}}]}}
{permissions}"
    ))
}

/// What the instances of each backend say, and what the client gets.
fn admitted(yaml: &str) -> (Vec<Vec<String>>, Option<u16>, String) {
    let answer = answered(yaml, &get("any", "/shop"));
    let backends = answer.route.unwrap().backends.into_iter();
    let backends = backends.map(|backend| {
        let admissions = backend.admissions.into_iter();
        let told = admissions.map(|one| {
            let sign = if one.permitted { '+' } else { '-' };
            format!("{sign} {} {}", one.endpoints.join(" "), one.why)
        });
        told.collect()
    });
    (
        backends.collect(),
        answer.outcome.status,
        answer.outcome.what,
    )
}

#[test]
fn members_of_a_mesh_with_mutual_tls_say_whom_they_let_in() {
    let everybody = ("all", "'*'", "kuma.io/service: '*'");
    let (told, status, what) = admitted(&of_members(&[everybody]));
    assert_eq!(
        told,
        [
            ["+ 10.0.0.1:80 10.0.0.3:80 TrafficPermission all lets it in"],
            ["+ 10.0.0.4:80 TrafficPermission all lets it in"]
        ]
    );
    assert_eq!(
        (status, &*what),
        (None, "a backend answers; it gets path /")
    );

    let v2 = ("v2", "web", "kuma.io/service: a, version: v2");
    let (told, status, what) = admitted(&of_members(&[everybody, v2]));
    assert_eq!(
        told[0],
        [
            "+ 10.0.0.1:80 TrafficPermission all lets it in",
            "- 10.0.0.3:80 denied by TrafficPermission v2, which decides there and is not for \
             kuma.io/service=edge,kuma.io/zone=east",
        ]
    );
    assert_eq!(status, None);
    assert!(
        what.contains("where the chosen instance does not let the gateway in"),
        "{what}"
    );

    let (told, status, what) = admitted(&of_members(&[("a", "web", "kuma.io/service: a")]));
    assert_eq!(
        told[1],
        [
            "- 10.0.0.4:80 denied, as no TrafficPermission is for it: kuma.io/service=edge,kuma.io/zone=east may not"
        ]
    );
    assert_eq!(status, Some(503));
    assert!(
        what.starts_with("no backend lets the gateway in: denied by TrafficPermission a"),
        "{what}"
    );
}

#[test]
fn without_mutual_tls_nobody_asks_members() {
    let plain =
        of_members(&[("a", "web", "kuma.io/service: a")]).replace("mtls:", "constraints: {} #");
    let (told, status, _) = admitted(&plain);
    assert_eq!(told, [Vec::<String>::new(), Vec::new()]);
    assert_eq!(status, None);
}
