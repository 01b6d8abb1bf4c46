//! The two protocols on the wire, as requests and responses of the state machine.

use std::sync::Arc;

use portolan_proto::{
    discovery::{
        ControlPlane, DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest,
        DiscoveryResponse, Node, Resource as WireResource,
    },
    well_known::Any,
};

use xxhash_rust::xxh3::Xxh3;

use crate::{
    resource::Resource,
    stream::{Mode, Names, Request, Response},
};

/// What the proxy calls the control plane in its admin interface.
const IDENTIFIER: &str = "portolan";

/// One of the two protocols.
pub(crate) trait Protocol: Send + 'static {
    type Request: Send + 'static;
    type Response: Send + 'static;
    const MODE: Mode;

    /// The node, which the first request of a stream must carry.
    fn node(request: &mut Self::Request) -> Option<Node>;
    fn request(request: Self::Request) -> Request;
    fn response(response: Response) -> Self::Response;
}

/// Incremental.
pub(crate) enum Delta {}

/// State of the world.
pub(crate) enum StateOfTheWorld {}

impl Protocol for Delta {
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;
    const MODE: Mode = Mode::Delta;

    fn node(request: &mut Self::Request) -> Option<Node> {
        request.node.take()
    }

    fn request(request: Self::Request) -> Request {
        Request {
            type_url: request.type_url,
            names: Names::Change {
                subscribe: request.resource_names_subscribe,
                unsubscribe: request.resource_names_unsubscribe,
            },
            known: request.initial_resource_versions,
            nonce: request.response_nonce,
            error: request.error_detail.map(|status| status.message),
        }
    }

    fn response(response: Response) -> Self::Response {
        let type_url = response.type_url;
        let resources = response
            .resources
            .into_iter()
            .map(|(name, resource)| WireResource {
                name: name.to_string(),
                version: resource.version.to_string(),
                resource: Some(any(&type_url, resource)),
            })
            .collect();
        DeltaDiscoveryResponse {
            resources,
            removed_resources: response.removed.iter().map(ToString::to_string).collect(),
            system_version_info: response.watermark.to_string(),
            nonce: response.nonce,
            type_url,
            control_plane: control_plane(),
        }
    }
}

impl Protocol for StateOfTheWorld {
    type Request = DiscoveryRequest;
    type Response = DiscoveryResponse;
    const MODE: Mode = Mode::StateOfTheWorld;

    fn node(request: &mut Self::Request) -> Option<Node> {
        request.node.take()
    }

    fn request(request: Self::Request) -> Request {
        Request {
            type_url: request.type_url,
            names: Names::Exactly(request.resource_names),
            nonce: request.response_nonce,
            error: request.error_detail.map(|status| status.message),
            ..Request::default()
        }
    }

    fn response(response: Response) -> Self::Response {
        let type_url = response.type_url;
        let version_info = version(&response.resources);
        let resources = response
            .resources
            .into_iter()
            .map(|(_, resource)| any(&type_url, resource))
            .collect();
        DiscoveryResponse {
            version_info,
            resources,
            nonce: response.nonce,
            type_url,
            control_plane: control_plane(),
        }
    }
}

/// The version of several resources, by their names and versions: the same on all streams and after a restart.
fn version(resources: &[(Arc<str>, Resource)]) -> String {
    let mut hash = Xxh3::new();
    for (name, resource) in resources {
        for text in [&**name, &*resource.version] {
            hash.update(&text.len().to_le_bytes());
            hash.update(text.as_bytes());
        }
    }
    format!("{:016x}", hash.digest())
}

fn any(type_url: &str, resource: Resource) -> Any {
    Any {
        type_url: type_url.to_owned(),
        value: resource.body,
    }
}

fn control_plane() -> Option<ControlPlane> {
    Some(ControlPlane {
        identifier: IDENTIFIER.to_owned(),
    })
}
