//! Metadata, put together by hand: generated maps have no order, and what is equal must have equal bytes.

use envoy_types::pb::google::protobuf::{Value, value::Kind};
use prost::Message as _;

use super::wire::Message;

/// `Metadata.filter_metadata`
const FILTER_METADATA: u32 = 1;
/// `Struct.fields`
const FIELDS: u32 = 1;
/// Key of every protobuf map entry.
const KEY: u32 = 1;
/// Value of every protobuf map entry.
const VALUE: u32 = 2;

/// A `Metadata` with a `Struct` under each of these keys.
pub(super) fn metadata<'a>(
    structs: impl IntoIterator<Item = (&'static str, Message<'a>)>,
) -> Message<'a> {
    let mut metadata = Message::default();
    for (key, fields) in structs {
        let entry = Message::default()
            .field(KEY, key.as_bytes())
            .message(VALUE, fields);
        metadata.push_message(FILTER_METADATA, entry);
    }
    metadata
}

/// A `Struct` of texts.
pub(super) fn texts<'a, T: AsRef<str> + ?Sized + 'a>(
    pairs: impl Iterator<Item = (&'a T, &'a T)>,
) -> Message<'a> {
    let mut fields = Message::default();
    for (name, text) in pairs {
        let value = Value {
            kind: Some(Kind::StringValue(text.as_ref().to_owned())),
        };
        let entry = Message::default()
            .field(KEY, name.as_ref().as_bytes())
            .field(VALUE, value.encode_to_vec());
        fields.push_message(FIELDS, entry);
    }
    fields
}
