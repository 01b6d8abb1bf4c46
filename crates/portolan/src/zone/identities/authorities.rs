//! The authorities of a mesh as the zone has them: which one signs, and which are trusted.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use portolan_identity::mesh::MeshAuthority;
use portolan_model::{
    ResourceKey,
    kinds::{self, mesh::mtls, secret},
    proto::mesh::Mesh,
};
use portolan_store::Snapshot;
use portolan_xds::Resource;
use tracing::warn;

use super::Sources;

/// What signs the certificates of a mesh.
pub(super) struct Signer {
    /// Name of the backend.
    pub(super) backend: String,
    pub(super) authority: MeshAuthority,
    /// How long its certificates are valid.
    pub(super) lifetime: Duration,
    cert: Bytes,
    key: Bytes,
}

/// Without the key.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("backend", &self.backend)
            .field("authority", &self.authority)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

impl Signer {
    fn is_as(&self, backend: &mtls::Backend, cert: &Bytes, key: &Bytes) -> bool {
        let named = self.backend == backend.name && self.lifetime == backend.certificate_lifetime;
        named && self.cert == cert && self.key == key
    }
}

/// What is known of one mesh, read anew only when something of it changed.
#[derive(Debug, Default)]
pub(super) struct Authorities {
    sources: Sources,
    signer: Option<Arc<Signer>>,
    /// The Secret by which proxies know whom to trust.
    trusted: Option<(Arc<str>, Resource)>,
    /// What is in it: the certificates of all authorities, as PEM.
    certificates: String,
    backends: Vec<String>,
}

impl Authorities {
    /// Takes over what changed of a mesh; whether something did.
    pub(super) fn follow(&mut self, stored: &Snapshot, mesh: &str, now: Timestamp) -> bool {
        let unchanged = |(key, revision): &(ResourceKey, Option<_>)| {
            stored.get(key).map(|resource| resource.revision) == *revision
        };
        if !self.sources.is_empty() && self.sources.iter().all(unchanged) {
            return false;
        }
        if let Err(reason) = self.read(stored, mesh, now) {
            warn!(
                mesh,
                reason, "the mesh has no authority: its proxies get no certificates"
            );
            self.signer = None;
        }
        true
    }

    /// What signs; nothing if the mesh has no mutual TLS, or nothing that can.
    pub(super) fn signer(&self) -> Option<&Arc<Signer>> {
        self.signer.as_ref()
    }

    /// The name and the content of the Secret with the certificates of all authorities.
    pub(super) fn trusted(&self) -> Option<&(Arc<str>, Resource)> {
        self.trusted.as_ref()
    }

    /// The certificates of all authorities, as PEM; empty without mutual TLS.
    pub(super) fn certificates(&self) -> &str {
        &self.certificates
    }

    /// The names of all that are trusted.
    pub(super) fn backends(&self) -> Vec<String> {
        self.backends.clone()
    }

    fn read(&mut self, stored: &Snapshot, mesh: &str, now: Timestamp) -> Result<(), String> {
        self.sources.clear();
        let key = ResourceKey::global(kinds::MESH, mesh);
        self.note(stored, key.clone());
        self.backends.clear();
        self.trusted = None;
        self.certificates.clear();
        let spec = stored
            .get(&key)
            .and_then(|known| known.spec_as::<Mesh>().ok());
        let Some(spec) = spec.filter(|spec| mtls::enabled(spec).is_some()) else {
            self.signer = None;
            return Ok(());
        };
        let enabled = mtls::enabled(&spec).map(|backend| backend.name.clone());
        let mut signer = Err("its enabled backend cannot be read".to_owned());
        let mut trusted = String::new();
        for backend in spec.mtls.iter().flat_map(|mtls| &mtls.backends) {
            let read = mtls::read(backend, &backend.name).map_err(|error| error.to_string());
            let material = read.and_then(|backend| {
                let (cert, key) = self.material(stored, mesh, &backend)?;
                Ok((backend, cert, key))
            });
            let is_enabled = Some(&backend.name) == enabled.as_ref();
            match material {
                Ok((backend, cert, key)) => {
                    trusted.push_str(String::from_utf8_lossy(&cert).trim_end());
                    trusted.push('\n');
                    self.backends.push(backend.name.clone());
                    if is_enabled {
                        signer = self.sign_with(&backend, &cert, &key, now);
                    }
                }
                Err(reason) if is_enabled => signer = Err(reason),
                Err(reason) => warn!(mesh, backend = backend.name, reason, "not trusted"),
            }
        }
        let (name, encoded) = portolan_gateway::authority_secret(mesh, &trusted);
        let resource = Resource {
            version: encoded.version,
            body: encoded.body,
        };
        self.trusted = Some((name, resource));
        self.certificates = trusted;
        self.signer = Some(signer?);
        Ok(())
    }

    /// The same signer as before, if it is: then certificates that it signed stay.
    fn sign_with(
        &self,
        backend: &mtls::Backend,
        cert: &Bytes,
        key: &Bytes,
        now: Timestamp,
    ) -> Result<Arc<Signer>, String> {
        if let Some(same) = self
            .signer
            .as_ref()
            .filter(|old| old.is_as(backend, cert, key))
        {
            return Ok(same.clone());
        }
        let (cert_pem, key_pem) = (String::from_utf8_lossy(cert), String::from_utf8_lossy(key));
        let authority =
            MeshAuthority::from_pem(&cert_pem, &key_pem, now).map_err(|error| error.to_string())?;
        Ok(Arc::new(Signer {
            backend: backend.name.clone(),
            authority,
            lifetime: backend.certificate_lifetime,
            cert: cert.clone(),
            key: key.clone(),
        }))
    }

    fn material(
        &mut self,
        stored: &Snapshot,
        mesh: &str,
        backend: &mtls::Backend,
    ) -> Result<(Bytes, Bytes), String> {
        let (cert, key) = backend.sources(mesh);
        let mut text = |source| {
            if let Some(name) = mtls::secret_name(source) {
                self.note(stored, ResourceKey::in_mesh(kinds::SECRET, mesh, name));
            }
            let find = |name: &str| {
                let secret = stored.get(&ResourceKey::in_mesh(kinds::SECRET, mesh, name))?;
                secret::data(secret).ok()
            };
            mtls::text(source, find).map_err(|error| error.to_string())
        };
        let (cert, key) = (text(&cert), text(&key));
        Ok((cert?, key?))
    }

    fn note(&mut self, stored: &Snapshot, key: ResourceKey) {
        let revision = stored.get(&key).map(|resource| resource.revision);
        self.sources.push((key, revision));
    }
}
