//! What the light clients of both protocols say alike.

use portolan_proto::discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};

/// The answer to a response that was taken.
pub(crate) fn acknowledgement(response: &DeltaDiscoveryResponse) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: response.type_url.clone(),
        response_nonce: response.nonce.clone(),
        ..DeltaDiscoveryRequest::default()
    }
}
