//! What a gateway with many routes costs a zone: all of it from scratch, and after one change.
//!
//! `make bench-compile`

// A benchmark that cannot go on ends there; the functions that `criterion_group` makes have no use outside.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{hint::black_box, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use criterion::{
    BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use portolan_gateway::{CLUSTER_LOAD_ASSIGNMENT, Compiled, ROUTE_CONFIGURATION, SECRET, ZoneView};
use portolan_model::{
    Kind, Labels, Resource, ResourceKey,
    kinds::{self, DATAPLANE, MESH_GATEWAY, MESH_GATEWAY_ROUTE},
};
use serde_json::{Value, json};

const SIZES: [usize; 3] = [1_000, 10_000, 20_000];
/// The host of the gateway.
const HOST: &str = "shop.example.com";

/// That of the `portolan` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many policies a mesh has that has some.
const POLICIES: usize = 200;

/// Whose instances are behind routes, by turns.
const SERVICES: [&str; 2] = ["api", "web"];

/// The path of a route by its number: how paths share prefixes decides how much the layout has to do.
type Path = fn(usize) -> String;

/// As teams write them.
const TEAMS: Path = |route| format!("/team-{}/app-{}/api-{route}", route % 20, route % 300);
const NUMBERS: Path = |route| format!("/r/{route:05}");
const SCATTERED: Path = |route| format!("/{:x}", route.wrapping_mul(0x9E37_79B9_7F4A_7C15));

criterion_group! {
    name = compile;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = from_scratch, with_policies, one_route, one_policy, one_endpoint, one_certificate
}
criterion_main!(compile);

fn from_scratch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("from scratch");
    group.sampling_mode(SamplingMode::Flat);
    let teams = SIZES.map(|size| (size, "teams", TEAMS));
    let other = [
        (10_000, "numbers", NUMBERS),
        (10_000, "scattered", SCATTERED),
    ];
    for (size, name, path) in teams.into_iter().chain(other) {
        let resources = resources(size, path);
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new(name, size), |bencher| {
            // What was made is dropped outside the time.
            bencher.iter_batched(
                || (),
                |()| {
                    let mut view = view_of(&resources);
                    let compiled = compiled(&mut view);
                    (view, compiled)
                },
                BatchSize::PerIteration,
            );
        });
    }
}

/// As `from_scratch`, in a mesh with policies.
fn with_policies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("from scratch with 200 policies");
    group.sampling_mode(SamplingMode::Flat);
    for size in SIZES {
        let mut resources = resources(size, TEAMS);
        resources.extend((0..POLICIES).map(|number| policy(number, 0)));
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter_batched(
                || (),
                |()| {
                    let mut view = view_of(&resources);
                    let compiled = compiled(&mut view);
                    (view, compiled)
                },
                BatchSize::PerIteration,
            );
        });
    }
}

/// A policy that shapes half of the routes and one of two clusters.
fn one_policy(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one changed policy");
    for size in SIZES {
        let mut view = view_of(&resources(size, TEAMS));
        (0..POLICIES).for_each(|number| view.put(&policy(number, 0)));
        black_box(compiled(&mut view));
        let mut turn = 0;
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                turn += 1;
                view.put(&policy(0, turn % 2));
                black_box(compiled(&mut view))
            });
        });
    }
}

fn one_route(criterion: &mut Criterion) {
    let changed = |change: usize| route(500, TEAMS(500), SERVICES[change % 2]);
    after_a_change(criterion, "one changed route", ROUTE_CONFIGURATION, changed);
}

fn one_endpoint(criterion: &mut Criterion) {
    let changed = |change: usize| member("api", 9_000 + change % 2);
    after_a_change(
        criterion,
        "one changed endpoint",
        CLUSTER_LOAD_ASSIGNMENT,
        changed,
    );
}

fn one_certificate(criterion: &mut Criterion) {
    let certificates = [certificate(), certificate()];
    let changed = |change: usize| certificates[change % 2].clone();
    after_a_change(criterion, "one changed certificate", SECRET, changed);
}

/// Measures taking over one of two versions of a resource by turns, which changes resources of `type_url`
/// and no others.
fn after_a_change(
    criterion: &mut Criterion,
    name: &str,
    type_url: &str,
    version: impl Fn(usize) -> Arc<Resource>,
) {
    let mut group = criterion.benchmark_group(name);
    let versions = [version(0), version(1)];
    for size in SIZES {
        let mut view = view_of(&resources(size, TEAMS));
        let [before, after] = [0, 1].map(|turn| {
            view.put(&versions[turn]);
            compiled(&mut view)
        });
        assert_eq!(changed(&before, &after), [type_url]);
        let mut turn = 0;
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                view.put(&versions[turn % 2]);
                turn += 1;
                black_box(compiled(&mut view))
            });
        });
    }
}

fn changed<'a>(before: &'a Compiled, after: &Compiled) -> Vec<&'a str> {
    let types = before.resources.iter();
    let differ = types.filter(|(name, resources)| !Arc::ptr_eq(resources, &after.resources[*name]));
    differ.map(|(name, _)| *name).collect()
}

fn view_of(resources: &[Arc<Resource>]) -> ZoneView {
    let mut view = ZoneView::new("east");
    resources.iter().for_each(|resource| view.put(resource));
    view
}

fn compiled(view: &mut ZoneView) -> Arc<Compiled> {
    let instance = ResourceKey::in_mesh(DATAPLANE, "default", "gateway");
    view.compile(&instance).unwrap()
}

/// A gateway with one HTTPS listener, two services, and so many routes.
fn resources(routes: usize, path: Path) -> Vec<Arc<Resource>> {
    let certificates = [json!({"secret": "shop"})];
    let listener = json!({
        "port": 443,
        "protocol": "HTTPS",
        "hostname": HOST,
        "tls": {"mode": "TERMINATE", "certificates": certificates},
    });
    let gateway = json!({
        "selectors": [{"match": {"kuma.io/service": "edge"}}],
        "conf": {"listeners": [listener]},
    });
    let instance = json!({"networking": {
        "address": "127.0.0.1",
        "gateway": {"type": "BUILTIN", "tags": {"kuma.io/service": "edge"}},
    }});
    let mut all = vec![
        resource(DATAPLANE, "gateway", &instance),
        resource(MESH_GATEWAY, "edge", &gateway),
        certificate(),
        member("api", 9_000),
        member("web", 9_002),
    ];
    all.extend((0..routes).map(|number| route(number, path(number), SERVICES[number % 2])));
    all
}

fn certificate() -> Arc<Resource> {
    let signed = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
    let bundle = signed.cert.pem() + &signed.signing_key.serialize_pem();
    let spec = json!({"data": STANDARD.encode(bundle)});
    resource(kinds::SECRET, "shop", &spec)
}

fn route(number: usize, path: String, service: &str) -> Arc<Resource> {
    let matches = [json!({"path": {"match": "PREFIX", "value": path}})];
    let backends = [json!({"destination": {"kuma.io/service": service}})];
    let spec = json!({
        "selectors": [{"match": {"kuma.io/service": "edge"}}],
        "conf": {"http": {"rules": [{"matches": matches, "backends": backends}]}},
    });
    resource(MESH_GATEWAY_ROUTE, &format!("route-{number:05}"), &spec)
}

/// Policies of mixed kinds: two of twenty shape the routes. One of two versions.
fn policy(number: usize, version: usize) -> Arc<Resource> {
    let (kind, conf) = match number % 6 {
        0 => (
            kinds::TIMEOUT,
            json!({"http": {"requestTimeout": format!("{}s", 10 + version)}}),
        ),
        1 => (kinds::RETRY, json!({"http": {"numRetries": 2}})),
        2 => (
            kinds::CIRCUIT_BREAKER,
            json!({"thresholds": {"maxConnections": 1000}}),
        ),
        3 => (
            kinds::HEALTH_CHECK,
            json!({"interval": "10s", "timeout": "2s", "unhealthyThreshold": 3, "healthyThreshold": 1, "tcp": {}}),
        ),
        4 => (
            kinds::FAULT_INJECTION,
            json!({"delay": {"percentage": 0, "value": "1s"}}),
        ),
        _ => (
            kinds::RATE_LIMIT,
            json!({"http": {"requests": 1000, "interval": "1s"}}),
        ),
    };
    let other = format!("other-{number}");
    let service = SERVICES.get(number % 20).copied().unwrap_or(&other);
    let spec = json!({
        "sources": [{"match": {"kuma.io/service": "edge"}}],
        "destinations": [{"match": {"kuma.io/service": service}}],
        "conf": conf,
    });
    resource(kind, &format!("policy-{number:03}"), &spec)
}

fn member(service: &str, port: usize) -> Arc<Resource> {
    let tags = json!({"kuma.io/service": service, "kuma.io/protocol": "http"});
    let inbound = [json!({"port": port, "tags": tags})];
    let spec = json!({"networking": {"address": "127.0.0.1", "inbound": inbound}});
    resource(DATAPLANE, service, &spec)
}

fn resource(kind: Kind, name: &str, spec: &Value) -> Arc<Resource> {
    Arc::new(Resource {
        key: ResourceKey::in_mesh(kind, "default", name),
        labels: Labels::new(),
        spec: kind.spec_from_json(spec).unwrap(),
        version: 1,
        revision: 1,
        created: jiff::Timestamp::UNIX_EPOCH,
        modified: jiff::Timestamp::UNIX_EPOCH,
    })
}
