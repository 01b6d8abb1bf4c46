//! The secrets that exist from the first start on, and those that come with a mesh.

use std::{sync::Arc, time::Duration};

use portolan_identity::tokens::SigningKey;
use portolan_model::{
    Labels, ResourceKey, kinds, labels,
    proto::{system, well_known::BytesValue},
};
use portolan_store::{Batch, Expect, Requirement, StoreError, Write};
use prost::Message;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{IssueError, Purpose, Tokens, User};

/// The token of the administrator, a GlobalSecret that never leaves its control plane.
const ADMIN_TOKEN: &str = "admin-user-token";
/// Ten years.
const ADMIN_VALIDITY: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// How long another replica's write may take to be seen here.
const SEEN: Duration = Duration::from_secs(10);
/// How long to wait for a store that is away.
const RETRY: Duration = Duration::from_secs(1);

impl Tokens {
    /// Makes what is missing of the keys that belong to no mesh, and of the administrator's token.
    ///
    /// # Errors
    /// When the store does not take them.
    pub async fn prepare(&self) -> Result<(), IssueError> {
        for purpose in [Purpose::Zone, Purpose::User] {
            if self.makes(purpose) {
                self.ensure_key(purpose).await?;
            }
        }
        let admin = ResourceKey::global(kinds::GLOBAL_SECRET, ADMIN_TOKEN);
        if self.store.index().snapshot().get(&admin).is_none() {
            let token = self
                .issue_user(&User::admin_claims(), ADMIN_VALIDITY)
                .await?;
            self.create(admin, token.expose()).await?;
            info!(secret = ADMIN_TOKEN, "made a token for the administrator");
        }
        Ok(())
    }

    /// Makes a key for every mesh that has none, now and whenever one is created, until cancelled.
    pub async fn keep_mesh_keys(&self, cancel: CancellationToken) {
        let mut index = self.store.index().subscribe();
        let mut seen = None;
        loop {
            let snapshot = index.borrow_and_update().clone();
            let newest = [kinds::MESH, kinds::SECRET].map(|kind| snapshot.last_change(kind));
            let mut again = false;
            if seen != Some(newest) {
                for mesh in snapshot.list(kinds::MESH, None) {
                    let mesh = &*mesh.key.name;
                    match self.ensure_key(Purpose::Dataplane { mesh }).await {
                        // The mesh was deleted meanwhile.
                        Ok(()) | Err(IssueError::Store(StoreError::Missing { .. })) => {}
                        Err(error) => {
                            warn!(mesh, %error, "cannot make a signing key for data plane tokens");
                            again = true;
                        }
                    }
                }
                seen = (!again).then_some(newest);
            }
            tokio::select! {
                changed = index.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(RETRY), if again => {}
                () = cancel.cancelled() => return,
            }
        }
    }

    /// Makes the first key, unless there is one already.
    pub(crate) async fn ensure_key(&self, purpose: Purpose<'_>) -> Result<(), IssueError> {
        let first = purpose.signing_key("1");
        let snapshot = self.store.index().snapshot();
        // Looked up first: a mesh may have very many secrets.
        if snapshot.get(&first).is_some() || self.newest(purpose).is_some() {
            return Ok(());
        }
        if !first.mesh.is_empty()
            && snapshot
                .get(&ResourceKey::global(kinds::MESH, Arc::clone(&first.mesh)))
                .is_none()
        {
            return Err(self.no_key(purpose));
        }
        let made = tokio::task::spawn_blocking(SigningKey::generate).await;
        let key =
            made.map_err(|error| portolan_identity::tokens::KeyError::Crypto(error.to_string()))??;
        self.create(first, key.expose()).await
    }

    /// Writes a secret; one that another replica wrote first stays, and is waited for.
    async fn create(&self, key: ResourceKey, content: &str) -> Result<(), IssueError> {
        let spec = system::Secret {
            data: Some(BytesValue {
                value: content.as_bytes().to_vec().into(),
            }),
        };
        let mut labels = Labels::new();
        let mut requires = Vec::new();
        if !key.mesh.is_empty() {
            labels.insert(labels::MESH.to_owned(), key.mesh.to_string());
            let mesh = ResourceKey::global(kinds::MESH, Arc::clone(&key.mesh));
            requires.push(Requirement::Exists(mesh));
        }
        let write = Write::Put {
            key: key.clone(),
            labels,
            spec: spec.encode_to_vec().into(),
            expect: Expect::Absent,
            created: None,
        };
        let batch = Batch {
            requires,
            writes: vec![write],
            ..Batch::default()
        };
        match self.store.commit(batch).await {
            Err(StoreError::Conflict { .. }) => {
                let mut index = self.store.index().subscribe();
                let seen = index.wait_for(|snapshot| snapshot.get(&key).is_some());
                // If it is not seen, who needs it says so.
                let _ = tokio::time::timeout(SEEN, seen).await;
                Ok(())
            }
            written => Ok(written.map(drop)?),
        }
    }
}
