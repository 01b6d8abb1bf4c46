//! What a change costs a zone: prints the time of a compile of a gateway with many routes, cold, after
//! the change of one route, and after the change of one endpoint.
//!
//! `cargo run --release -p portolan-gateway --example compile_cost [ROUTES]`

// The figures are what this program is for.
#![allow(clippy::print_stdout)]

use std::{
    env,
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use portolan_gateway::{CLUSTER_LOAD_ASSIGNMENT, Compiled, ROUTE_CONFIGURATION, ZoneView};
use portolan_model::{
    Kind, Resource, ResourceKey,
    kinds::{DATAPLANE, MESH_GATEWAY, MESH_GATEWAY_ROUTE},
};
use serde_json::{Value, json};

/// Changes of each sort; the median of their times is printed.
const CHANGES: usize = 41;

fn main() -> Result<(), Box<dyn Error>> {
    let routes: usize = env::args()
        .nth(1)
        .map_or(Ok(10_000), |count| count.parse())?;
    for (name, path) in TABLES {
        measure(name, routes, path)?;
    }
    Ok(())
}

/// The path of a route in a table of so many.
type Path = fn(usize) -> String;

const TABLES: [(&str, Path); 3] = [
    ("prefixes /r/00000 and on", |route| format!("/r/{route:05}")),
    ("prefixes /TEAM/APP/API", |route| {
        format!("/team-{}/app-{}/api-{route}", route % 20, route % 300)
    }),
    ("prefixes without order", |route| {
        format!("/{:x}", route.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }),
];

fn measure(name: &str, routes: usize, path: Path) -> Result<(), Box<dyn Error>> {
    let gateway = dataplane(
        "gateway",
        &json!({
            "address": "127.0.0.1",
            "gateway": {"type": "BUILTIN", "tags": {"kuma.io/service": "edge"}},
        }),
    )?;
    let started = Instant::now();
    let mut view = ZoneView::new("east");
    view.put(&gateway);
    view.put(&mesh_gateway()?);
    view.put(&member("api", 9000)?);
    view.put(&member("frontend", 9001)?);
    for position in 0..routes {
        view.put(&route(position, &path(position), "frontend")?);
    }
    let put = started.elapsed();

    let compile = |view: &mut ZoneView| -> Result<(Duration, Arc<Compiled>), Box<dyn Error>> {
        let started = Instant::now();
        let compiled = view.compile(&gateway.key).ok_or("no configuration")?;
        Ok((started.elapsed(), compiled))
    };
    let (cold, compiled) = compile(&mut view)?;
    let bytes: usize = compiled.resources[ROUTE_CONFIGURATION]
        .values()
        .map(|r| r.body.len())
        .sum();

    let mut route_changes = Vec::new();
    let mut endpoint_changes = Vec::new();
    let mut before = compiled;
    for change in 0..CHANGES {
        let position = change * routes / CHANGES;
        view.put(&route(position, &path(position), "api")?);
        let (time, after) = compile(&mut view)?;
        route_changes.push(time);
        assert!(
            !shares(&before, &after, ROUTE_CONFIGURATION),
            "the route must be there"
        );

        view.put(&member("api", 9100 + change)?);
        let (time, last) = compile(&mut view)?;
        endpoint_changes.push(time);
        assert!(
            shares(&after, &last, ROUTE_CONFIGURATION),
            "an endpoint must not touch routes"
        );
        assert!(
            !shares(&after, &last, CLUSTER_LOAD_ASSIGNMENT),
            "the endpoint must be there"
        );
        before = last;
    }

    println!("{routes} routes, {name}");
    println!(
        "  put, with writing and reading the specs  {:>9.2} ms",
        milliseconds(put)
    );
    println!(
        "  first compile                            {:>9.2} ms",
        milliseconds(cold)
    );
    println!(
        "  compile after one changed route          {:>9.2} ms",
        median(route_changes)
    );
    println!(
        "  compile after one changed endpoint       {:>9.3} ms",
        median(endpoint_changes)
    );
    println!(
        "  route table                              {:>9} KiB",
        bytes / 1024
    );
    Ok(())
}

fn shares(left: &Compiled, right: &Compiled, type_url: &str) -> bool {
    Arc::ptr_eq(&left.resources[type_url], &right.resources[type_url])
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    milliseconds(times[times.len() / 2])
}

fn mesh_gateway() -> Result<Arc<Resource>, Box<dyn Error>> {
    resource(
        MESH_GATEWAY,
        "edge",
        json!({
            "selectors": [{"match": {"kuma.io/service": "edge"}}],
            "conf": {"listeners": [{"port": 8080, "protocol": "HTTP", "hostname": "foo.example.com"}]},
        }),
    )
}

fn route(position: usize, path: &str, service: &str) -> Result<Arc<Resource>, Box<dyn Error>> {
    resource(
        MESH_GATEWAY_ROUTE,
        &format!("route-{position:05}"),
        json!({
            "selectors": [{"match": {"kuma.io/service": "edge"}}],
            "conf": {"http": {"rules": [{
                "matches": [{"path": {"match": "PREFIX", "value": path}}],
                "backends": [{"destination": {"kuma.io/service": service}}],
            }]}},
        }),
    )
}

fn member(service: &str, port: usize) -> Result<Arc<Resource>, Box<dyn Error>> {
    dataplane(
        service,
        &json!({
            "address": "127.0.0.1",
            "inbound": [{"port": port, "tags": {"kuma.io/service": service, "kuma.io/protocol": "http"}}],
        }),
    )
}

fn dataplane(name: &str, networking: &Value) -> Result<Arc<Resource>, Box<dyn Error>> {
    resource(DATAPLANE, name, json!({ "networking": networking }))
}

fn resource(kind: Kind, name: &str, spec: Value) -> Result<Arc<Resource>, Box<dyn Error>> {
    let spec: Bytes = kind.spec_from_json(&spec)?;
    Ok(Arc::new(Resource {
        key: ResourceKey::in_mesh(kind, "default", name),
        labels: portolan_model::Labels::new(),
        spec,
        version: 1,
        revision: 1,
        created: jiff::Timestamp::UNIX_EPOCH,
        modified: jiff::Timestamp::UNIX_EPOCH,
    }))
}
