//! What the certificates of a thousand proxies cost, on one core: `cargo bench -p portolan-identity`.

#![allow(missing_docs, clippy::unwrap_used)] // criterion's macros have no documentation; a bench may panic.

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use portolan_identity::mesh::{MeshAuthority, WorkloadTags, create};

const PROXIES: usize = 1000;

fn issue(criterion: &mut Criterion) {
    let day = Duration::from_secs(86_400);
    let now = Timestamp::now();
    let (cert, key) = create("default", "ca-1", 2048, day * 3650, now).unwrap();
    let authority = MeshAuthority::from_pem(&cert, key.expose(), now).unwrap();
    let tags: WorkloadTags = [
        ("kuma.io/service".to_owned(), ["web".to_owned()].into()),
        ("kuma.io/zone".to_owned(), ["east".to_owned()].into()),
    ]
    .into();
    let mut group = criterion.benchmark_group("certificates");
    group.sample_size(10);
    group.bench_function("1,000 signed by RSA of 2048 bits", |bencher| {
        bencher.iter(|| {
            for _ in 0..PROXIES {
                std::hint::black_box(authority.issue("default", &tags, day, now).unwrap());
            }
        });
    });
    group.finish();
}

criterion_group!(benches, issue);
criterion_main!(benches);
