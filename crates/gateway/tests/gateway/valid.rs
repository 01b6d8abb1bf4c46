//! Whatever validation lets through compiles to something, in whatever order it comes.

use std::sync::Arc;

use portolan_gateway::{Reason, ZoneView};
use portolan_model::Resource;
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};

use crate::{
    certificates::{ECDSA, RSA},
    support::{EDGE, ZONE, dataplane, resource, resources},
};

/// Hostnames that contain and exclude one another.
fn hostname() -> impl Strategy<Value = &'static str> {
    select(vec![
        "", "*", "*.test", "*.a.test", "a.test", "b.a.test", "A.test",
    ])
}

/// Also what a listener cannot be: validation sorts it out.
fn listener() -> impl Strategy<Value = Value> {
    let port = select(vec![80, 443, 9090]);
    let protocol = select(vec!["HTTP", "HTTPS", "TLS", "TCP"]);
    let mode = select(vec!["TERMINATE", "TERMINATE", "PASSTHROUGH"]);
    let secrets = prop::collection::vec(select(vec!["rsa", "ecdsa", "missing"]), 0..3);
    let limit = select(vec![0, 0, 0, 5]);
    (port, protocol, hostname(), mode, secrets, limit, tags()).prop_map(
        |(port, protocol, hostname, mode, secrets, limit, tags)| {
            let certificates: Vec<_> = secrets
                .into_iter()
                .map(|secret| json!({"secret": secret}))
                .collect();
            json!({
                "port": port,
                "protocol": protocol,
                "hostname": hostname,
                "tls": {"mode": mode, "certificates": certificates},
                "resources": {"connectionLimit": limit},
                "tags": tags,
            })
        },
    )
}

fn tags() -> impl Strategy<Value = Value> {
    select(vec![
        json!({}),
        json!({"l": "a"}),
        json!({"l": "b", "m": "c"}),
    ])
}

fn gateway() -> impl Strategy<Value = Value> {
    prop::collection::vec(listener(), 1..6).prop_map(|listeners| {
        json!({
            "type": "MeshGateway",
            "name": "edge",
            "selectors": [{"match": {"kuma.io/service": "edge"}}],
            "conf": {"listeners": listeners},
        })
    })
}

fn backends() -> impl Strategy<Value = Value> {
    let backend = (select(vec!["api", "web"]), 0..3_u32).prop_map(
        |(service, weight)| json!({"destination": {"kuma.io/service": service}, "weight": weight}),
    );
    prop::collection::vec(backend, 1..4).prop_map(Value::from)
}

fn route(number: usize) -> impl Strategy<Value = Value> {
    let selector = select(vec![
        json!({"kuma.io/service": "edge"}),
        json!({"kuma.io/service": "*", "l": "a"}),
        json!({"kuma.io/service": "edge", "l": "*"}),
    ]);
    let tcp = prop::collection::vec(backends(), 1..3).prop_map(|rules| {
        let rules: Vec<_> = rules
            .into_iter()
            .map(|rule| json!({"backends": rule}))
            .collect();
        json!({"tcp": {"rules": rules}})
    });
    let hostnames = prop::collection::vec(hostname(), 0..3);
    let http = (hostnames, backends()).prop_map(|(hostnames, backends)| {
        let matches = [json!({"path": {"match": "PREFIX", "value": "/"}})];
        json!({"http": {
            "hostnames": hostnames,
            "rules": [{"matches": matches, "backends": backends}],
        }})
    });
    (selector, prop_oneof![tcp, http]).prop_map(move |(selector, conf)| {
        json!({
            "type": "MeshGatewayRoute",
            "name": format!("route-{number}"),
            "selectors": [{"match": selector}],
            "conf": conf,
        })
    })
}

fn is_valid(resource: &Resource) -> bool {
    (resource.key.kind.validate)(&resource.spec).is_empty()
}

/// Valid resources in two orders.
fn orders() -> impl Strategy<Value = (Vec<Arc<Resource>>, Vec<Arc<Resource>>)> {
    let gateway = gateway()
        .prop_map(|json| Arc::new(resource(json)))
        .prop_filter("valid", |gateway| is_valid(gateway));
    (gateway, route(0), route(1), route(2)).prop_flat_map(|(gateway, first, second, third)| {
        let routes = [first, second, third].map(|json| Arc::new(resource(json)));
        let instance = EDGE.split("---").next().unwrap_or_default();
        let mut all = resources(&format!(
            "{instance}{}{}",
            RSA.secret("rsa"),
            ECDSA.secret("ecdsa")
        ));
        all.push(gateway);
        all.extend(routes.into_iter().filter(|route| is_valid(route)));
        (Just(all.clone()), Just(all).prop_shuffle())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_valid_compiles_alike_in_every_order((first, second) in orders()) {
        let [ours, theirs] = [first, second].map(|resources| {
            let mut view = ZoneView::new(ZONE);
            resources.iter().for_each(|resource| view.put(resource));
            view.compile(&dataplane("gateway")).unwrap()
        });
        prop_assert!(ours.resources == theirs.resources);
        prop_assert_eq!(&ours.faults, &theirs.faults);
        for fault in &*ours.faults {
            prop_assert!(matches!(fault.reason, Reason::NoSecret(_)), "{fault}");
        }
    }
}
