//! Envoy's messages as readable text, by the descriptions that the crate has of them.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_norway::{Mapping, Value};

use crate::certificates::word_for;

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let descriptors = include_bytes!(concat!(env!("OUT_DIR"), "/envoy.bin"));
    DescriptorPool::decode(descriptors.as_slice()).unwrap()
});

/// A message as YAML, fields in the order of their numbers, what is in an `Any` spelled out, words in the
/// place of certificates.
pub(crate) fn readable(type_url: &str, body: &[u8]) -> Value {
    let name = type_url.rsplit('/').next().unwrap();
    let descriptor = POOL.get_message_by_name(name).expect("a known message");
    let message = DynamicMessage::decode(descriptor, body).unwrap();
    tidy(serde_norway::to_value(&message).unwrap(), false)
}

/// Sorts maps, which have no order of their own; fields have. Keys of certificates differ from run to run.
fn tidy(value: Value, is_map: bool) -> Value {
    match value {
        Value::Mapping(mapping) => {
            let mut entries: Vec<_> = mapping.into_iter().collect();
            if is_map {
                entries.sort_by_key(|(key, _)| key.as_str().map(str::to_owned));
            }
            let sorted: Mapping = entries
                .into_iter()
                .map(|(key, value)| {
                    let name = key.as_str().unwrap_or_default();
                    let map = name.contains(['.', '/'])
                        || ["map", "filterMetadata", "layer", "typedPerFilterConfig"]
                            .contains(&name);
                    (key, tidy(value, map))
                })
                .collect();
            Value::Mapping(sorted)
        }
        Value::Sequence(items) => {
            Value::Sequence(items.into_iter().map(|item| tidy(item, false)).collect())
        }
        Value::String(text) => match word_for(&text) {
            Some(word) => word.into(),
            None => text.into(),
        },
        other => other,
    }
}
