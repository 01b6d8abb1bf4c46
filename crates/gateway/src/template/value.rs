//! Messages of Envoy as plain values: read from YAML, merged, and encoded so that what is equal has equal
//! bytes.

use std::borrow::Cow;

use prost::{
    Message,
    bytes::{BufMut, Bytes},
    encoding::{WireType, encode_key, encode_varint},
};
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, MapKey, MessageDescriptor, ReflectMessage,
    Value,
};
use serde_json::Value as Json;

/// Whose value is one thing, replaced as a whole.
const WHOLE: [&str; 10] = [
    "google.protobuf.Duration",
    "google.protobuf.BoolValue",
    "google.protobuf.BytesValue",
    "google.protobuf.DoubleValue",
    "google.protobuf.FloatValue",
    "google.protobuf.Int32Value",
    "google.protobuf.Int64Value",
    "google.protobuf.StringValue",
    "google.protobuf.UInt32Value",
    "google.protobuf.UInt64Value",
];
const ANY: &str = "google.protobuf.Any";

/// Reads a message from YAML.
pub(super) fn read(yaml: &str, descriptor: MessageDescriptor) -> Result<DynamicMessage, String> {
    let json: Json = serde_norway::from_str(yaml).map_err(|error| error.to_string())?;
    DynamicMessage::deserialize(descriptor, json).map_err(|error| error.to_string())
}

/// Reads a message from YAML that says itself which one it is.
pub(super) fn read_any(
    yaml: &str,
    find: impl Fn(&str) -> Option<MessageDescriptor>,
) -> Result<DynamicMessage, String> {
    let mut json: Json = serde_norway::from_str(yaml).map_err(|error| error.to_string())?;
    let named = json
        .as_object_mut()
        .and_then(|object| object.remove("@type"));
    let Some(Json::String(type_url)) = named else {
        return Err("it has no @type".to_owned());
    };
    let descriptor = find(&type_url).ok_or_else(|| format!("{type_url} is not known"))?;
    DynamicMessage::deserialize(descriptor, json).map_err(|error| error.to_string())
}

/// Puts what a patch says into a message: lists grow, messages are merged, everything else is replaced.
pub(super) fn merge(message: &mut DynamicMessage, patch: &DynamicMessage) {
    for (field, new) in patch.fields() {
        if field.is_list() || field.is_map() || !message.has_field(&field) {
            match (message.get_field_mut(&field), new) {
                (Value::List(list), Value::List(more)) => list.extend(more.iter().cloned()),
                (Value::Map(map), Value::Map(more)) => map.extend(more.clone()),
                (old, new) => *old = new.clone(),
            }
            continue;
        }
        match (message.get_field_mut(&field), new) {
            (Value::Message(old), Value::Message(new)) => merge_message(old, new),
            (old, new) => *old = new.clone(),
        }
    }
}

fn merge_message(old: &mut DynamicMessage, new: &DynamicMessage) {
    let descriptor = new.descriptor();
    let name = descriptor.full_name();
    if WHOLE.contains(&name) {
        *old = new.clone();
    } else if name != ANY {
        merge(old, new);
    } else if type_url(old) == type_url(new)
        && let Some(mut content) = unpack(old)
        && let Some(patch) = unpack(new)
    {
        merge(&mut content, &patch);
        pack(old, &content);
    } else {
        *old = new.clone();
    }
}

/// Which message an `Any` holds.
pub(super) fn type_url(any: &DynamicMessage) -> String {
    let url = any.get_field_by_name("type_url");
    url.and_then(|url| url.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// What an `Any` holds, if that is known.
pub(super) fn unpack(any: &DynamicMessage) -> Option<DynamicMessage> {
    let url = type_url(any);
    let pool: DescriptorPool = any.descriptor().parent_pool().clone();
    let descriptor = pool.get_message_by_name(url.rsplit('/').next()?)?;
    let value = any.get_field_by_name("value")?.as_bytes()?.clone();
    DynamicMessage::decode(descriptor, value).ok()
}

/// Replaces what an `Any` holds by a message of the same type.
pub(super) fn pack(any: &mut DynamicMessage, content: &DynamicMessage) {
    any.set_field_by_name("value", Value::Bytes(encode(content).into()));
}

/// A text field, empty if it is not there.
pub(super) fn text(message: &DynamicMessage, field: &str) -> String {
    let value = message.get_field_by_name(field);
    value
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// The messages of a field.
pub(super) fn messages<'a>(
    message: &'a mut DynamicMessage,
    field: &str,
) -> impl Iterator<Item = &'a mut DynamicMessage> {
    let list = list(message, field);
    list.into_iter().flatten().filter_map(Value::as_message_mut)
}

/// The values of a list.
pub(super) fn list<'a>(message: &'a mut DynamicMessage, field: &str) -> Option<&'a mut Vec<Value>> {
    message.get_field_by_name_mut(field)?.as_list_mut()
}

/// The encoded message. Maps, which have no order, are sorted by key.
pub(super) fn encode(message: &DynamicMessage) -> Vec<u8> {
    let mut buffer = Vec::new();
    for (field, value) in message.fields() {
        write(&field, value, message, &mut buffer);
    }
    buffer
}

fn write(field: &FieldDescriptor, value: &Value, message: &DynamicMessage, buffer: &mut Vec<u8>) {
    match value {
        Value::Message(inner) => frame(field, &content(inner), buffer),
        Value::List(list) if field.kind().as_message().is_some() => {
            for inner in list.iter().filter_map(Value::as_message) {
                frame(field, &content(inner), buffer);
            }
        }
        Value::Map(map) => {
            let mut entries: Vec<(&MapKey, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| sortable(key));
            let kind = field.kind();
            let Some(descriptor) = kind.as_message() else {
                return;
            };
            for (key, value) in entries {
                let mut entry = DynamicMessage::new(descriptor.clone());
                entry.set_field_by_name("key", key.clone().into());
                entry.set_field_by_name("value", value.clone());
                frame(field, &encode(&entry), buffer);
            }
        }
        simple => {
            let mut alone = DynamicMessage::new(message.descriptor());
            alone.set_field(field, simple.clone());
            buffer.put_slice(&alone.encode_to_vec());
        }
    }
}

/// As [`encode`], of what is in an `Any` too: a reader of YAML has encoded that in any order.
fn content(message: &DynamicMessage) -> Vec<u8> {
    let mut message = Cow::Borrowed(message);
    if message.descriptor().full_name() == ANY
        && let Some(content) = unpack(&message)
    {
        pack(message.to_mut(), &content);
    }
    encode(&message)
}

fn frame(field: &FieldDescriptor, content: &[u8], buffer: &mut Vec<u8>) {
    encode_key(field.number(), WireType::LengthDelimited, buffer);
    encode_varint(content.len() as u64, buffer);
    buffer.put_slice(content);
}

fn sortable(key: &MapKey) -> (i128, &str) {
    match key {
        MapKey::Bool(value) => (i128::from(*value), ""),
        MapKey::I32(value) => (i128::from(*value), ""),
        MapKey::I64(value) => (i128::from(*value), ""),
        MapKey::U32(value) => (i128::from(*value), ""),
        MapKey::U64(value) => (i128::from(*value), ""),
        MapKey::String(text) => (0, text),
    }
}

/// The fields of an encoded message as they stand there: number, and the bytes with and without the frame.
/// Nothing if it is not one of length-delimited and simple fields.
pub(super) fn fields(mut message: Bytes) -> Option<Vec<(u32, Bytes, Bytes)>> {
    use prost::encoding::{DecodeContext, decode_key, decode_varint, skip_field};
    let mut fields = Vec::new();
    while !message.is_empty() {
        let whole = message.clone();
        let (number, wire) = decode_key(&mut message).ok()?;
        let content = if wire == WireType::LengthDelimited {
            let length = usize::try_from(decode_varint(&mut message).ok()?).ok()?;
            (length <= message.len()).then(|| message.split_to(length))?
        } else {
            skip_field(wire, number, &mut message, DecodeContext::default()).ok()?;
            Bytes::new()
        };
        fields.push((number, whole.slice(..whole.len() - message.len()), content));
    }
    Some(fields)
}
