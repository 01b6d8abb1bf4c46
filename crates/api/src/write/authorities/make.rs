//! Authorities that are made with their Mesh.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use portolan_identity::mesh as identity;
use portolan_model::{
    Labels, ResourceKey,
    kinds::{
        SECRET,
        mesh::mtls::{self, Authority, SecretNames},
    },
    proto::{system::Secret, well_known::BytesValue},
};
use portolan_store::{Batch, Committed, Expect, Index, Snapshot, StoreError, Write};
use prost::Message;
use tracing::info;

use super::{Secrets, of_mesh};
use crate::{
    config::{Api, Role},
    problem::Problem,
    write::{labels, prepare::Prepared},
};

/// How long a replica waits to see what another one made.
const PATIENCE: Duration = Duration::from_secs(5);
/// An authority that has to be made.
#[derive(Clone, Debug)]
struct Missing {
    mesh: String,
    backend: String,
    rsa_bits: u32,
    lifetime: Duration,
}

/// Writes for the Secrets of all builtin authorities of meshes among `all` that have none yet.
///
/// # Errors
/// When no authority can be made.
async fn missing(
    role: &Role,
    snapshot: &Snapshot,
    all: &[Prepared],
) -> Result<Vec<Write>, Problem> {
    let secrets = Secrets::new(all.iter(), snapshot);
    let backends = all.iter().filter_map(of_mesh).flat_map(|(mesh, mtls)| {
        let read = mtls.backends.into_iter();
        let read = read.filter_map(|backend| mtls::read(&backend, "").ok());
        read.map(move |backend| (mesh, backend))
    });
    let missing: Vec<_> = backends
        .filter_map(|(mesh, backend)| {
            let Authority::Builtin { rsa_bits, lifetime } = backend.authority else {
                return None;
            };
            let names = SecretNames::of(mesh, &backend.name);
            let there = secrets.has(mesh, &names.cert) || secrets.has(mesh, &names.key);
            (!there).then(|| Missing {
                mesh: mesh.to_owned(),
                backend: backend.name,
                rsa_bits,
                lifetime,
            })
        })
        .collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let role = role.clone();
    let work = move || {
        let writes = missing.iter().map(|missing| make(&role, missing));
        writes.collect::<Result<Vec<_>, _>>()
    };
    // The primes of a key take up to seconds to find.
    let made = tokio::task::spawn_blocking(work).await;
    let made = made.map_err(|_| Problem::internal())?.map_err(|error| {
        tracing::error!(%error, "no authority could be made for a mesh");
        Problem::internal()
    })?;
    Ok(made.into_iter().flatten().collect())
}

fn make(role: &Role, missing: &Missing) -> Result<[Write; 2], identity::MeshAuthorityError> {
    let Missing {
        mesh,
        backend,
        rsa_bits,
        lifetime,
    } = missing;
    let (cert, key) = identity::create(mesh, backend, *rsa_bits, *lifetime, Timestamp::now())?;
    info!(mesh, backend, "made a certificate authority");
    let names = SecretNames::of(mesh, backend);
    let write = |name: &str, text: &str| Write::Put {
        key: ResourceKey::in_mesh(SECRET, mesh.as_str(), name),
        labels: labels::complete(role, SECRET, mesh, Labels::new(), Labels::new()),
        spec: Secret {
            data: Some(BytesValue {
                value: Bytes::copy_from_slice(text.as_bytes()),
            }),
        }
        .encode_to_vec()
        .into(),
        expect: Expect::Absent,
        created: None,
    };
    Ok([write(&names.cert, &cert), write(&names.key, key.expose())])
}

/// Commits a batch with all these resources, and with the authorities that they lack.
///
/// # Errors
/// As the store says, or when no authority can be made.
pub(crate) async fn commit(
    api: &Api,
    batch: Batch,
    all: &[Prepared],
) -> Result<Committed, Problem> {
    let index = api.store.index();
    let mut made = missing(&api.role, &index.snapshot(), all).await?;
    loop {
        let mut with = batch.clone();
        with.writes.extend(made.iter().cloned());
        match api.store.commit(with).await {
            Err(error) if see(index, lost(&made, &error)).await => {
                made = missing(&api.role, &index.snapshot(), all).await?;
            }
            other => return Ok(other?),
        }
    }
}

/// The Secret that another writer made first.
fn lost(made: &[Write], error: &StoreError) -> Option<ResourceKey> {
    let StoreError::Conflict { key: lost, .. } = error else {
        return None;
    };
    let is_lost = |write: &Write| matches!(write, Write::Put { key, .. } if key == lost);
    made.iter().any(is_lost).then(|| lost.clone())
}

/// Waits until it is to be seen here; whether it is.
async fn see(index: &Index, key: Option<ResourceKey>) -> bool {
    let Some(key) = key else { return false };
    let mut snapshots = index.subscribe();
    let seen = snapshots.wait_for(|snapshot| snapshot.get(&key).is_some());
    matches!(tokio::time::timeout(PATIENCE, seen).await, Ok(Ok(_)))
}
