//! Lets proxies in: who they are, whether their token says so, and what happens on their stream.

use std::sync::Arc;

use portolan_dataplane::bootstrap::{FEATURE_ACCESS_LOG_SOCKET, access_log_pipe};
use portolan_identity::mesh::WorkloadTags;
use portolan_model::{ResourceKey, kinds};
use portolan_proto::{discovery::Node, mesh::Version, well_known::value::Kind as Json};
use portolan_xds::{Connect, Events, Proxies, Refusal, Session};
use tonic::{Status, metadata::MetadataMap};
use tracing::{info, warn};

use super::{
    admission::Admission,
    identities,
    registration::{Registrar, RegistrationError, Role},
    sessions::Sessions,
};

/// The zone's answer to proxies that open a stream.
pub(crate) struct ZoneProxies {
    /// Open streams.
    pub(crate) sessions: Arc<Sessions>,
    /// Writes their Dataplanes.
    pub(crate) registrar: Arc<Registrar>,
    /// Checks their tokens.
    pub(crate) admission: Admission,
}

#[tonic::async_trait]
impl Proxies for ZoneProxies {
    async fn connect(&self, request: Connect) -> Result<Session, Status> {
        let key = proxy_key(&request.node)?;
        let brought = metadata_text(&request.node, "dataplane.resource");
        let admitted = self
            .admit(&key, brought, &request.metadata)
            .await
            .inspect_err(|status| {
                warn!(dataplane = %key, reason = status.message(), "proxy refused");
            })?;
        let log_pipe = log_pipe(&request.node, &key);
        let version = version(&request.node);
        let (id, snapshots) = self.sessions.open(&key, version, admitted, log_pipe);
        info!(dataplane = %key, "proxy connected");
        let stream = Stream {
            key,
            id,
            sessions: Arc::clone(&self.sessions),
            registrar: Arc::clone(&self.registrar),
        };
        Ok(Session {
            snapshots,
            events: Box::new(stream),
        })
    }
}

impl ZoneProxies {
    /// Checks the Dataplane, then the token against it, and only then writes it. Returns its tags, which
    /// are those that the proxy may show to others.
    async fn admit(
        &self,
        key: &ResourceKey,
        brought: Option<&str>,
        metadata: &MetadataMap,
    ) -> Result<WorkloadTags, Status> {
        let prepared = self
            .registrar
            .prepare(key, brought)
            .map_err(|error| refusal(&error))?;
        self.admission.check(key, &prepared, bearer(metadata))?;
        let admitted = match &prepared.role {
            Role::Dataplane(spec) => identities::workload_tags(spec),
            Role::Ingress => WorkloadTags::new(),
        };
        // Before anybody else sees it: nothing is sent to a port that does not listen yet.
        if !self.registrar.knows(key) {
            self.sessions.starts(key);
        }
        let registered = self.registrar.register(prepared).await;
        registered.map_err(|error| {
            self.sessions.forget(key);
            refusal(&error)
        })?;
        Ok(admitted)
    }
}

fn refusal(error: &RegistrationError) -> Status {
    match error {
        RegistrationError::Invalid(_) => Status::invalid_argument(error.to_string()),
        RegistrationError::Unknown(_) => Status::not_found(error.to_string()),
        RegistrationError::Store(_) => Status::unavailable(error.to_string()),
    }
}

/// Data planes send the bare token; `Bearer` before it is taken too.
pub(super) fn bearer(metadata: &MetadataMap) -> &str {
    let value = metadata
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    value
        .unwrap_or_default()
        .trim_start_matches("Bearer ")
        .trim()
}

/// A proxy's node id is `MESH.NAME`; names may contain dots, meshes may not. A ZoneIngress has no mesh.
fn proxy_key(node: &Node) -> Result<ResourceKey, Status> {
    let (mesh, name) = node.id.split_once('.').ok_or_else(|| {
        Status::invalid_argument(format!(
            "node id {:?} is not of the form MESH.NAME",
            node.id
        ))
    })?;
    let is_ingress = metadata_text(node, "dataplane.proxyType") == Some("ingress");
    Ok(match is_ingress {
        true => ResourceKey::global(kinds::ZONE_INGRESS, name),
        false => ResourceKey::in_mesh(kinds::DATAPLANE, mesh, name),
    })
}

/// What the bootstrap's metadata says of Envoy and of what runs it.
fn version(node: &Node) -> Version {
    let metadata = node.metadata.as_ref();
    let told = metadata.and_then(|metadata| metadata.fields.get("version"));
    let version = told.and_then(|told| serde_json::to_value(told).ok());
    version
        .and_then(|version| serde_json::from_value(version).ok())
        .unwrap_or_default()
}

/// Where the data plane takes lines for collectors of access logs, if it says that it does.
fn log_pipe(node: &Node, key: &ResourceKey) -> Option<Arc<str>> {
    let Json::ListValue(features) = node
        .metadata
        .as_ref()?
        .fields
        .get("features")?
        .kind
        .as_ref()?
    else {
        return None;
    };
    let has = features.values.iter().any(|feature| {
        matches!(&feature.kind, Some(Json::StringValue(name)) if name == FEATURE_ACCESS_LOG_SOCKET)
    });
    let workdir = metadata_text(node, "workdir").filter(|_| has)?;
    Some(access_log_pipe(workdir, &key.mesh, &key.name).into())
}

fn metadata_text<'a>(node: &'a Node, field: &str) -> Option<&'a str> {
    match node.metadata.as_ref()?.fields.get(field)?.kind.as_ref()? {
        Json::StringValue(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// One open stream; dropped when it closes.
struct Stream {
    key: ResourceKey,
    id: u64,
    sessions: Arc<Sessions>,
    registrar: Arc<Registrar>,
}

impl Events for Stream {
    fn sent(&mut self, type_url: &str) {
        self.sessions.update(&self.key, self.id, |state| {
            state.counts_of(type_url).sent += 1
        });
    }

    fn acknowledged(&mut self, type_url: &str) {
        self.sessions.update(&self.key, self.id, |state| {
            state.counts_of(type_url).acknowledged += 1;
            if state
                .refused
                .as_ref()
                .is_some_and(|refusal| refusal.type_url == type_url)
            {
                state.refused = None;
            }
        });
    }

    fn refused(&mut self, refusal: Refusal) {
        warn!(
            dataplane = %self.key,
            type_url = %refusal.type_url,
            message = %refusal.message,
            "proxy refused its configuration and keeps the last good one"
        );
        self.sessions.update(&self.key, self.id, |state| {
            state.counts_of(&refusal.type_url).refused += 1;
            state.refused = Some(refusal);
        });
    }

    fn serving(&mut self, watermark: u64) {
        self.sessions.serves(&self.key, self.id, watermark);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(state) = self.sessions.close(&self.key, self.id) {
            info!(dataplane = %self.key, "proxy disconnected");
            self.registrar.left(self.key.clone(), state);
        }
    }
}

#[cfg(test)]
mod tests {
    use portolan_proto::well_known::Struct;

    use super::*;

    fn node(metadata: serde_json::Value) -> Node {
        let fields = metadata.as_object().into_iter().flatten();
        let fields = fields.map(|(name, value)| (name.clone(), value.to_string()));
        let read = |(name, json): (String, String)| Some((name, serde_json::from_str(&json).ok()?));
        Node {
            metadata: Some(Struct {
                fields: fields.filter_map(read).collect(),
            }),
            ..Node::default()
        }
    }

    #[test]
    fn lines_for_collectors_go_where_the_data_plane_reads_them() {
        let key = ResourceKey::in_mesh(kinds::DATAPLANE, "default", "gw-1");
        let told = |features: &[&str]| {
            let metadata = serde_json::json!({ "features": features, "workdir": "/tmp/w" });
            log_pipe(&node(metadata), &key)
        };
        let pipe = told(&["feature-delta-grpc", "feature-tcp-accesslog-via-named-pipe"]);
        assert_eq!(pipe.as_deref(), Some("/tmp/w/kuma-al-gw-1-default.sock"));
        assert_eq!(told(&["feature-delta-grpc"]), None);
        assert_eq!(log_pipe(&node(serde_json::json!({})), &key), None);
    }

    #[test]
    fn versions_are_taken_from_the_bootstrap_and_missed_without_harm() {
        let told = version(&node(serde_json::json!({ "version": {
            "envoy": { "version": "1.40.0", "build": "x/1.40.0", "kumaDpCompatible": true },
            "kumaDp": { "version": "2.14.3", "gitTag": "v2.14.3", "buildDate": "2026" },
        } })));
        assert_eq!(
            told.envoy.map(|envoy| envoy.version).as_deref(),
            Some("1.40.0")
        );
        let data_plane = told.kuma_dp.map(|version| version.git_tag);
        assert_eq!(data_plane.as_deref(), Some("v2.14.3"));
        for nothing in [
            serde_json::json!({}),
            serde_json::json!({ "version": "1.40.0" }),
            serde_json::json!({ "version": { "envoy": 7 } }),
        ] {
            assert_eq!(version(&node(nothing)), Version::default());
        }
    }
}
