//! The runtime layer that limits connections per listener.

use envoy_types::pb::{
    envoy::service::runtime::v3::Runtime,
    google::protobuf::{Value, value::Kind},
};
use prost::Message as _;

use super::{Encoded, wire::Message};
use crate::plan::port::Port;

/// Name of the layer; every gateway's bootstrap asks for it and waits until it comes.
pub(crate) const RUNTIME: &str = "gateway.listeners";

/// `Runtime.layer`
const LAYER: u32 = 2;
/// `Struct.fields`
const FIELDS: u32 = 1;
/// Key of every protobuf map entry.
const KEY: u32 = 1;
/// Value of every protobuf map entry.
const VALUE: u32 = 2;

/// The connection limits of these ports; an empty layer if there are none.
pub(crate) fn runtime<'a>(ports: impl Iterator<Item = &'a Port>) -> Encoded {
    let name = Runtime {
        name: RUNTIME.to_owned(),
        layer: None,
    };
    let mut fields = Message::default();
    for port in ports {
        let Some(limit) = port.connection_limit else {
            continue;
        };
        let key = format!(
            "envoy.resource_limits.listener.{}.connection_limit",
            port.name
        );
        let value = Value {
            kind: Some(Kind::NumberValue(limit.into())),
        };
        let entry = Message::default()
            .field(KEY, key.into_bytes())
            .field(VALUE, value.encode_to_vec());
        fields.push_message(FIELDS, entry);
    }
    Encoded::new(
        Message::default()
            .fields(name.encode_to_vec())
            .message(LAYER, fields)
            .encode(),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use envoy_types::pb::google::protobuf::Struct;

    use super::*;

    #[test]
    fn without_limits_the_layer_is_there_and_empty() {
        let decoded = Runtime::decode(runtime(std::iter::empty()).body).unwrap();
        assert_eq!(decoded.name, RUNTIME);
        assert_eq!(decoded.layer.unwrap(), Struct::default());
    }
}
