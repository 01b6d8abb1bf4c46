//! The authorities of a Mesh that is written: whether they can work, and those that have to be made.
//!
//! The Secrets of a builtin authority are made with the Mesh, in its transaction, and only if they are not
//! there: of replicas that write at once one makes them, and the others take those.

mod make;

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use portolan_identity::mesh::MeshAuthority;
use portolan_model::{
    Resource, ResourceKey, Violations,
    kinds::{
        MESH, SECRET,
        mesh::mtls::{self, Authority, Backend, SecretNames},
        secret,
    },
    proto::{
        mesh::{Mesh, mesh::Mtls},
        system::Secret,
    },
};
use portolan_store::Snapshot;
use prost::Message;

pub(super) use make::commit;

use super::prepare::Prepared;

/// Longest name of a Secret.
const MAX_NAME: usize = 253;

/// What is written, and what is there.
struct Secrets<'a> {
    written: BTreeMap<&'a ResourceKey, &'a Bytes>,
    snapshot: &'a Snapshot,
}

impl<'a> Secrets<'a> {
    fn new(written: impl Iterator<Item = &'a Prepared>, snapshot: &'a Snapshot) -> Self {
        let secrets = written.filter(|resource| resource.key.kind == SECRET);
        let written = secrets.map(|resource| (&resource.key, &resource.spec));
        Self {
            written: written.collect(),
            snapshot,
        }
    }

    fn find(&self, mesh: &str, name: &str) -> Option<Bytes> {
        let key = ResourceKey::in_mesh(SECRET, mesh, name);
        match self.written.get(&key) {
            Some(spec) => {
                let secret = Secret::decode((*spec).clone()).ok()?;
                Some(secret.data.unwrap_or_default().value)
            }
            None => secret::data(self.snapshot.get(&key)?).ok(),
        }
    }

    fn has(&self, mesh: &str, name: &str) -> bool {
        let key = ResourceKey::in_mesh(SECRET, mesh, name);
        self.written.contains_key(&key) || self.snapshot.get(&key).is_some()
    }
}

/// All that keeps the authorities of a Mesh that is written, among `all`, from working.
pub(super) fn check<'a>(
    snapshot: &'a Snapshot,
    resource: &Prepared,
    all: impl Iterator<Item = &'a Prepared>,
) -> Violations {
    let mut violations = Violations::default();
    let Some((name, mtls)) = of_mesh(resource) else {
        return violations;
    };
    check_change(snapshot, resource, &mtls, &mut violations);
    let secrets = Secrets::new(all, snapshot);
    for (position, backend) in mtls.backends.iter().enumerate() {
        let field = format!("mtls.backends[{position}]");
        // What cannot be read was refused already, or may be, since nobody wants it checked.
        let Ok(backend) = mtls::read(backend, &field) else {
            continue;
        };
        match &backend.authority {
            Authority::Builtin { .. } => {
                check_builtin(name, &backend, &field, &secrets, &mut violations);
            }
            Authority::Provided { .. } if mtls.skip_validation => {}
            Authority::Provided { .. } => {
                check_provided(name, &backend, &field, &secrets, &mut violations);
            }
        }
    }
    violations
}

/// Proxies trust all authorities of their mesh, and have to trust the next one before it signs.
fn check_change(
    snapshot: &Snapshot,
    resource: &Prepared,
    mtls: &Mtls,
    violations: &mut Violations,
) {
    let before = snapshot.get(&resource.key);
    let before = before.and_then(|before| before.spec_as::<Mesh>().ok()?.mtls);
    let Some(before) = before else { return };
    let (old, new) = (&before.enabled_backend, &mtls.enabled_backend);
    if old.is_empty() || new.is_empty() || old == new {
        return;
    }
    let has = |mtls: &Mtls, name: &str| mtls.backends.iter().any(|one| one.name == name);
    if !has(&before, new) {
        violations.add(
            "mtls.enabledBackend",
            format!(
                "proxies do not trust {new:?} yet: add it to the backends first, and enable it once \
                 all instances serve that (apply --wait)"
            ),
        );
    } else if !has(mtls, old) {
        violations.add(
            "mtls.backends",
            format!(
                "proxies still have certificates of {old:?}: leave it among the backends until all \
                 instances serve this (apply --wait)"
            ),
        );
    }
}

fn check_builtin(
    mesh: &str,
    backend: &Backend,
    field: &str,
    secrets: &Secrets<'_>,
    violations: &mut Violations,
) {
    let names = SecretNames::of(mesh, &backend.name);
    let is_dns = |name: &str| {
        name.split('.').all(|label| {
            let chars =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            (1..=63).contains(&label.len()) && label.bytes().all(chars)
        })
    };
    if names.cert.len() > MAX_NAME || !is_dns(&names.cert) || backend.name.is_empty() {
        let reason = format!("{:?} name must be valid dns name", backend.name);
        violations.add(format!("{field}.name"), reason);
        return;
    }
    let (cert, key) = (&names.cert, &names.key);
    match (secrets.has(mesh, cert), secrets.has(mesh, key)) {
        (false, false) => {}
        (true, true) => check_pair(mesh, backend, field, secrets, violations),
        (there, _) => {
            let (there, gone) = if there { (cert, key) } else { (key, cert) };
            let reason = format!(
                "the Secret {gone:?} of this authority is not there: write it again, or delete \
                 {there:?} for a new authority"
            );
            violations.add(field, reason);
        }
    }
}

fn check_provided(
    mesh: &str,
    backend: &Backend,
    field: &str,
    secrets: &Secrets<'_>,
    violations: &mut Violations,
) {
    let (cert, key) = backend.sources(mesh);
    let find = |name: &str| secrets.find(mesh, name);
    let mut complete = true;
    for (source, name) in [(&cert, "cert"), (&key, "key")] {
        if let Err(error) = mtls::text(source, find) {
            violations.add(format!("{field}.conf.{name}"), error.to_string());
            complete = false;
        }
    }
    if complete {
        check_pair(
            mesh,
            backend,
            &format!("{field}.conf.cert"),
            secrets,
            violations,
        );
    }
}

fn check_pair(
    mesh: &str,
    backend: &Backend,
    field: &str,
    secrets: &Secrets<'_>,
    violations: &mut Violations,
) {
    let (cert, key) = backend.sources(mesh);
    let text = |source| {
        let bytes = mtls::text(source, |name| secrets.find(mesh, name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    if let Err(error) = MeshAuthority::from_pem(&text(&cert), &text(&key), Timestamp::now()) {
        violations.add(field, error.to_string());
    }
}

fn of_mesh(resource: &Prepared) -> Option<(&str, Mtls)> {
    if resource.key.kind != MESH {
        return None;
    }
    let mesh = Mesh::decode(resource.spec.clone()).ok()?;
    Some((&resource.key.name, mesh.mtls?))
}

/// A Secret goes only once no authority needs it. One that is left of two may: it is of no use alone.
pub(super) fn check_unused(snapshot: &Snapshot, resource: &Resource) -> Violations {
    let mut violations = Violations::default();
    let ResourceKey { kind, mesh, name } = &resource.key;
    let spec = snapshot
        .get(&ResourceKey::global(MESH, mesh.clone()))
        .and_then(|mesh| mesh.spec_as::<Mesh>().ok());
    let Some(mtls) = spec.and_then(|spec| spec.mtls).filter(|_| *kind == SECRET) else {
        return violations;
    };
    let secrets = Secrets::new(std::iter::empty(), snapshot);
    for backend in mtls
        .backends
        .iter()
        .filter_map(|one| mtls::read(one, "").ok())
    {
        let (cert, key) = backend.sources(mesh);
        let secret = |source| mtls::secret_name(source).is_some_and(|used| used == &**name);
        let complete = [&cert, &key]
            .into_iter()
            .all(|source| mtls::text(source, |name| secrets.find(mesh, name)).is_ok());
        if complete && (secret(&cert) || secret(&key)) {
            let backend = backend.name;
            let reason = format!(
                "The secret {:?} that you are trying to remove is currently in use in Mesh {:?} in \
                 mTLS backend {backend:?}. Please remove the reference from the {backend:?} backend \
                 before removing the secret.",
                &**name, &**mesh
            );
            violations.add("name", reason);
        }
    }
    violations
}
