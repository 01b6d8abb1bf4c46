//! External services: what a change of one sends, and what is said of them.

use std::sync::Arc;

use portolan_gateway::{
    CLUSTER, CLUSTER_LOAD_ASSIGNMENT, Compiled, LISTENER, ROUTE_CONFIGURATION, SECRET, ZoneView,
    explain::{Answer, Request, explain},
    lint,
};
use portolan_model::ResourceKey;

use crate::{
    certificates::{ECDSA, RSA},
    support::{EDGE, chart, dataplane, resources, view, with_edge},
};

const ROUTES: &str = "
type: MeshGatewayRoute
name: shop
selectors: [{match: {kuma.io/service: edge}}]
conf: {http: {rules: [
  {matches: [{path: {match: PREFIX, value: /bank}}], backends: [{destination: {kuma.io/service: bank}}]},
  {matches: [{path: {match: PREFIX, value: /shop}}], backends: [{destination: {kuma.io/service: shop}}]}
]}}
---
type: ExternalService
name: shop
tags: {kuma.io/service: shop}
networking: {address: '10.9.0.1:80'}
";

/// An ExternalService of service `bank` with this address and more of `networking`.
fn bank(address: &str, more: &str) -> String {
    format!(
        "
---
type: ExternalService
name: bank
tags: {{kuma.io/service: bank, kuma.io/protocol: http}}
networking: {{address: '{address}', {more}}}
"
    )
}

const TLS: &str = "tls: {enabled: true, serverName: bank.test, caCert: {secret: theirs}, \
                   clientCert: {secret: ours}, clientKey: {secret: ours}}";

fn permission(source: &str, destination: &str) -> String {
    format!(
        "
---
type: TrafficPermission
name: guard
sources: [{{match: {{kuma.io/service: {source}}}}}]
destinations: [{{match: {{kuma.io/service: {destination}}}}}]
"
    )
}

fn put(view: &mut ZoneView, yaml: &str) {
    for resource in resources(yaml) {
        view.put(&resource);
    }
}

fn remove(view: &mut ZoneView, yaml: &str) {
    for resource in resources(yaml) {
        view.remove(&resource.key);
    }
}

fn compile(view: &mut ZoneView) -> Arc<Compiled> {
    view.compile(&dataplane("gateway")).unwrap()
}

/// Type and service of every resource that came, changed or went.
fn changed(before: &Compiled, after: &Compiled) -> Vec<String> {
    let types = [
        CLUSTER,
        CLUSTER_LOAD_ASSIGNMENT,
        LISTENER,
        ROUTE_CONFIGURATION,
        SECRET,
    ];
    let mut changed = Vec::new();
    for type_url in types {
        let (before, after) = (&before.resources[type_url], &after.resources[type_url]);
        let mut names: Vec<_> = before.keys().chain(after.keys()).collect();
        names.sort();
        names.dedup();
        let differ = names
            .into_iter()
            .filter(|name| before.get(*name) != after.get(*name));
        changed.extend(differ.map(|name| {
            let name = if type_url == SECRET {
                name
            } else {
                name.split('-').next().unwrap()
            };
            format!("{} {name}", type_url.rsplit('.').next().unwrap())
        }));
        // What did not change is not even another value.
        if before == after {
            assert!(Arc::ptr_eq(before, after), "{type_url}");
        }
    }
    changed
}

/// What it is, how it is done, and what is sent then.
type Step<'a> = (&'a str, &'a dyn Fn(&mut ZoneView), &'a [&'a str]);

#[test]
fn a_change_sends_the_cluster_alone() {
    let members = "
---
type: Dataplane
name: member
networking: {address: 10.0.0.1, inbound: [{port: 80, tags: {kuma.io/service: bank}}]}
";
    let mut view = view(&with_edge(ROUTES));
    let mut last = compile(&mut view);
    let steps: [Step; 11] = [
        (
            "created: it has its endpoints with it",
            &|view| put(view, &bank("10.9.0.2:80", "")),
            &["Cluster bank", "ClusterLoadAssignment bank"],
        ),
        (
            "the same again",
            &|view| put(view, &bank("10.9.0.2:80", "")),
            &[],
        ),
        (
            "changed",
            &|view| put(view, &bank("bank.example.com:80", "")),
            &["Cluster bank"],
        ),
        (
            "TLS without its Secrets",
            &|view| put(view, &bank("10.9.0.2:80", TLS)),
            &["Cluster bank"],
        ),
        (
            "one Secret of two",
            &|view| put(view, &RSA.secret("ours")),
            &[],
        ),
        (
            "both Secrets",
            &|view| put(view, &ECDSA.secret("theirs")),
            &["Cluster bank", "Secret cert.client:external-service:bank"],
        ),
        (
            "another client certificate",
            &|view| put(view, &ECDSA.secret("ours")),
            &["Secret cert.client:external-service:bank"],
        ),
        (
            "another authority",
            &|view| put(view, &RSA.secret("theirs")),
            &["Cluster bank"],
        ),
        (
            "members, which it precedes",
            &|view| put(view, members),
            &[],
        ),
        (
            "not permitted: members serve",
            &|view| put(view, &permission("other", "bank")),
            &[
                "Cluster bank",
                "Cluster shop",
                "ClusterLoadAssignment bank",
                "ClusterLoadAssignment shop",
                "Secret cert.client:external-service:bank",
            ],
        ),
        (
            "permitted again",
            &|view| remove(view, &permission("other", "bank")),
            &[
                "Cluster bank",
                "Cluster shop",
                "ClusterLoadAssignment bank",
                "ClusterLoadAssignment shop",
                "Secret cert.client:external-service:bank",
            ],
        ),
    ];
    for (what, step, expected) in steps {
        step(&mut view);
        let now = compile(&mut view);
        assert_eq!(changed(&last, &now), expected, "{what}");
        last = now;
    }
    assert!(last.faults.is_empty(), "{:?}", last.faults);
}

#[test]
fn a_fault_goes_when_the_secret_comes() {
    let mut view = view(&(with_edge(ROUTES) + &bank("10.9.0.2:80", TLS)));
    let faults = compile(&mut view).faults.clone();
    let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "networking.tls.caCert",
            "networking.tls.clientCert",
            "networking.tls.clientKey"
        ]
    );
    assert!(faults.iter().all(|fault| &*fault.resource.name == "bank"));
    put(&mut view, &(RSA.secret("ours") + &ECDSA.secret("theirs")));
    assert!(compile(&mut view).faults.is_empty());
}

#[test]
fn nobody_sees_a_key() {
    let key = {
        let lines = RSA.bundle.lines();
        let mut key = lines.skip_while(|line| !line.contains("PRIVATE KEY"));
        key.nth(1).unwrap().to_owned()
    };
    let inline = serde_json::to_string(&RSA.bundle).unwrap();
    let tls = format!(
        "tls: {{enabled: true, clientCert: {{inlineString: {inline}}}, clientKey: {{inlineString: {inline}}}}}"
    );
    let yaml = with_edge(ROUTES) + &bank("10.9.0.2:80", &tls) + &RSA.secret("ours");
    let mut view = view(&yaml);
    let compiled = compile(&mut view);
    assert!(compiled.faults.is_empty());
    let shown = format!("{view:?}{compiled:?}{:?}", chart(&yaml));
    assert!(!shown.contains(&key));
    for (type_url, resources) in &compiled.resources {
        let has_it = resources
            .values()
            .any(|one| String::from_utf8_lossy(&one.body).contains(&key));
        assert_eq!(has_it, *type_url == SECRET, "{type_url}");
    }
}

#[test]
fn a_mesh_that_is_deleted_prefers_no_zone() {
    let mesh = "
---
type: Mesh
name: default
routing: {localityAwareLoadBalancing: true}
";
    let zones = "
---
type: ExternalService
name: there
tags: {kuma.io/service: bank, kuma.io/zone: west}
networking: {address: '10.9.0.3:80'}
";
    let mut view = view(&(with_edge(ROUTES) + &bank("10.9.0.2:80", "") + zones));
    let before = compile(&mut view);
    put(&mut view, mesh);
    assert_eq!(changed(&before, &compile(&mut view)), ["Cluster bank"]);
    let kind = resources(mesh)[0].key.kind;
    view.remove(&ResourceKey::global(kind, "default"));
    let after = compile(&mut view);
    assert!(before.resources == after.resources);
}

fn explained(yaml: &str, path: &str) -> Answer {
    let request = Request {
        host: "a.test".to_owned(),
        path: path.to_owned(),
        method: "GET".to_owned(),
        headers: Vec::new(),
        port: None,
        protocol: None,
        sni: None,
    };
    let mut explanation = explain(&chart(yaml), "edge", &request, None).unwrap();
    explanation.answers.remove(0)
}

#[test]
fn an_explanation_tells_endpoints_tls_and_the_permission() {
    let secrets = RSA.secret("ours") + &ECDSA.secret("theirs");
    let yaml = with_edge(ROUTES) + &bank("10.9.0.2:443", TLS) + &secrets;

    let answer = explained(&yaml, "/bank");
    let backend = &answer.route.as_ref().unwrap().backends[0];
    assert_eq!(backend.endpoints, ["10.9.0.2:443"]);
    let [external] = &*backend.external else {
        panic!("{backend:?}")
    };
    assert_eq!(
        external.tls.as_deref(),
        Some("asks for bank.test, the certificate must be for bank.test, shows a certificate")
    );
    assert!(external.permitted);
    assert_eq!(external.why, "the mesh has no TrafficPermission");
    assert_eq!(answer.outcome.status, None);

    let answer = explained(&(yaml.clone() + &permission("'*'", "bank")), "/bank");
    let backend = &answer.route.as_ref().unwrap().backends[0];
    assert_eq!(
        backend.external[0].why,
        "TrafficPermission guard lets it be reached from kuma.io/service=* to kuma.io/service=bank"
    );

    let denied = yaml.clone() + &permission("office", "bank");
    for (path, service, why) in [
        ("/bank", "bank", "guard, which decides, is for others"),
        ("/shop", "shop", "none is for it"),
    ] {
        let answer = explained(&denied, path);
        assert_eq!(answer.outcome.status, Some(503));
        assert_eq!(
            answer.outcome.what,
            format!(
                "no backend has an endpoint that takes requests; ExternalService {service}: no \
                 TrafficPermission lets kuma.io/service=edge,kuma.io/zone=east reach it: {why}"
            )
        );
        assert!(answer.route.unwrap().backends[0].endpoints.is_empty());
    }
}

#[test]
fn an_explanation_tells_what_is_broken() {
    let yaml = with_edge(ROUTES) + &bank("10.9.0.2:443", TLS) + &RSA.secret("ours");
    let answer = explained(&yaml, "/bank");
    assert_eq!(answer.outcome.status, Some(503));
    assert!(
        answer.outcome.what.ends_with(
            "ExternalService bank: networking.tls.caCert: the mesh has no Secret \"theirs\"; create it"
        ),
        "{}",
        answer.outcome.what
    );
}

#[test]
fn lint_knows_external_services() {
    let warnings = |yaml: &str| {
        let warnings = lint::lint(&chart(yaml), "default").into_iter();
        let told = warnings.map(|one| format!("{} {one}", one.resource.name));
        told.collect::<Vec<_>>()
    };
    let yaml = format!("{EDGE}---\n{ROUTES}");
    let unknown =
        "shop conf.http.rules[0]: no zone has an instance of bank, so its requests get 503";
    assert_eq!(warnings(&yaml), [unknown]);
    assert_eq!(
        warnings(&(yaml.clone() + &bank("10.9.0.2:80", ""))),
        [""; 0]
    );

    let guarded = yaml.clone() + &bank("10.9.0.2:80", "") + &permission("office", "bank");
    let closed = |rule: usize, service: &str| {
        format!(
            "shop conf.http.rules[{rule}]: no TrafficPermission lets any gateway with this route reach \
             {service}, so nothing is served there"
        )
    };
    assert_eq!(warnings(&guarded), [closed(0, "bank"), closed(1, "shop")]);
    let opened = guarded + &permission("edge", "'*'").replace("name: guard", "name: open");
    assert_eq!(warnings(&opened), [closed(0, "bank")]);

    let unchecked = warnings(&(yaml.clone() + &bank("10.9.0.2:443", "tls: {enabled: true}")));
    assert_eq!(unchecked.len(), 1);
    assert!(unchecked[0].starts_with("bank networking.tls: the certificate is not checked"));
    let missing = warnings(&(yaml + &bank("10.9.0.2:443", TLS) + &RSA.secret("ours")));
    assert_eq!(
        missing,
        ["bank networking.tls.caCert: left out: the mesh has no Secret \"theirs\"; create it"]
    );
}
