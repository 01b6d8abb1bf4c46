//! Which instances a backend gets, and how they are spoken to.

use envoy_types::pb::envoy::{
    config::{
        cluster::v3::Cluster, core::v3::address::Address, endpoint::v3::ClusterLoadAssignment,
        endpoint::v3::lb_endpoint::HostIdentifier,
    },
    extensions::upstreams::http::v3::{
        HttpProtocolOptions,
        http_protocol_options::{UpstreamProtocolOptions, explicit_http_config::ProtocolConfig},
    },
};
use portolan_gateway::{CLUSTER, CLUSTER_LOAD_ASSIGNMENT};
use prost::Message;

use crate::support::{compile, with_edge};

fn route_to(destination: &str) -> String {
    format!(
        "
type: MeshGatewayRoute
name: route
selectors: [{{match: {{kuma.io/service: edge}}}}]
conf: {{http: {{rules: [{{
  matches: [{{path: {{match: PREFIX, value: /}}}}],
  backends: [{{destination: {destination}}}]
}}]}}}}
"
    )
}

fn member(name: &str, more: &str, inbound: &str) -> String {
    format!(
        "---\ntype: Dataplane\nname: {name}\n{more}\nnetworking: {{address: 10.0.0.1, inbound: [{inbound}]}}\n"
    )
}

/// Addresses of the only cluster's endpoints.
fn endpoints(yaml: &str) -> Vec<String> {
    let compiled = compile(&with_edge(yaml));
    let assignments = &compiled.resources[CLUSTER_LOAD_ASSIGNMENT];
    assert_eq!(assignments.len(), 1);
    assert!(assignments.keys().eq(compiled.resources[CLUSTER].keys()));
    let body = assignments.values().next().unwrap().body.clone();
    let assignment = ClusterLoadAssignment::decode(body).unwrap();
    let endpoints = assignment
        .endpoints
        .iter()
        .flat_map(|locality| &locality.lb_endpoints);
    endpoints
        .map(|endpoint| {
            let Some(HostIdentifier::Endpoint(endpoint)) = &endpoint.host_identifier else {
                panic!("no endpoint");
            };
            match endpoint.address.as_ref().unwrap().address.as_ref().unwrap() {
                Address::SocketAddress(socket) => socket.address.clone(),
                other => panic!("{other:?}"),
            }
        })
        .collect()
}

#[test]
fn a_destination_gets_the_instances_with_all_its_tags() {
    let inbound =
        |address: &str, tags: &str| format!("{{address: {address}, port: 80, tags: {tags}}}");
    let members = [
        member(
            "a",
            "",
            &inbound("10.1.0.1", "{kuma.io/service: api, version: v1}"),
        ),
        member(
            "b",
            "",
            &inbound("10.1.0.2", "{kuma.io/service: api, version: v2}"),
        ),
        member(
            "c",
            "",
            &inbound("10.1.0.3", "{kuma.io/service: web, version: v1}"),
        ),
    ]
    .concat();
    for (more, expected) in [
        ("", &["10.1.0.1", "10.1.0.2"][..]),
        ("version: v1", &["10.1.0.1"]),
        // The zone is a tag too, and it is ours.
        ("kuma.io/zone: east", &["10.1.0.1", "10.1.0.2"]),
        ("kuma.io/zone: west", &[]),
    ] {
        let destination = format!("{{kuma.io/service: api, {more}}}");
        assert_eq!(
            endpoints(&(route_to(&destination) + &members)),
            expected,
            "{more}"
        );
    }
}

#[test]
fn only_healthy_instances_take_requests() {
    let api = "tags: {kuma.io/service: api}";
    let yaml = route_to("{kuma.io/service: api}")
        + &member(
            "a",
            "",
            &format!("{{address: 10.1.0.1, port: 80, {api}, state: NotReady}}"),
        )
        + &member(
            "b",
            "",
            &format!("{{address: 10.1.0.2, port: 80, {api}, state: Ignored}}"),
        )
        + &member(
            "c",
            "",
            &format!("{{address: 10.1.0.3, port: 80, {api}, health: {{ready: false}}}}"),
        )
        + &member(
            "d",
            "",
            &format!("{{address: 10.1.0.4, port: 80, {api}, health: {{ready: true}}}}"),
        )
        + &member("e", "", &format!("{{port: 80, {api}}}"))
        + &member("f", "", &format!("{{port: 80, {api}}}"));
    // The address is the inbound's, else the Dataplane's; the same one counts once.
    assert_eq!(endpoints(&yaml), ["10.1.0.4", "10.0.0.1"]);
}

#[test]
fn instances_of_other_zones_and_meshes_are_not_reached() {
    let api = "{port: 80, tags: {kuma.io/service: api}}";
    let yaml = route_to("{kuma.io/service: api}")
        + &member("a", "labels: {kuma.io/zone: west}", api)
        + &member("b", "mesh: other", api);
    assert_eq!(endpoints(&yaml), [""; 0]);
}

#[test]
fn an_advertised_address_is_where_others_reach_it() {
    let yaml = route_to("{kuma.io/service: api}")
        + &member("a", "", "{port: 80, tags: {kuma.io/service: api}}").replace(
            "address: 10.0.0.1",
            "address: 10.0.0.1, advertisedAddress: 10.9.9.9",
        );
    assert_eq!(endpoints(&yaml), ["10.9.9.9"]);
}

/// Whether the only cluster is spoken to in HTTP/2.
fn http2(destination: &str, protocols: &[&str]) -> bool {
    let members: String = protocols
        .iter()
        .enumerate()
        .map(|(position, protocol)| {
            let tags = format!("{{kuma.io/service: api, kuma.io/protocol: {protocol}}}");
            member(
                &format!("m{position}"),
                "",
                &format!("{{port: {}, tags: {tags}}}", 80 + position),
            )
        })
        .collect();
    let compiled = compile(&with_edge(&(route_to(destination) + &members)));
    let body = compiled.resources[CLUSTER]
        .values()
        .next()
        .unwrap()
        .body
        .clone();
    let cluster = Cluster::decode(body).unwrap();
    let options = cluster
        .typed_extension_protocol_options
        .values()
        .next()
        .unwrap();
    match HttpProtocolOptions::decode(&*options.value)
        .unwrap()
        .upstream_protocol_options
    {
        Some(UpstreamProtocolOptions::ExplicitHttpConfig(explicit)) => {
            matches!(
                explicit.protocol_config,
                Some(ProtocolConfig::Http2ProtocolOptions(_))
            )
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_protocol_is_what_the_destination_says_else_what_all_instances_say() {
    let api = "{kuma.io/service: api}";
    for (protocols, expected) in [
        (&[][..], false),
        (&["http"], false),
        (&["http2"], true),
        (&["grpc"], true),
        (&["grpc", "http2"], true),
        (&["grpc", "http"], false),
        (&["tcp"], false),
    ] {
        assert_eq!(http2(api, protocols), expected, "{protocols:?}");
    }
    assert!(http2(
        "{kuma.io/service: api, kuma.io/protocol: grpc}",
        &["http"]
    ));
    assert!(!http2(
        "{kuma.io/service: api, kuma.io/protocol: http}",
        &["http2"]
    ));
}
