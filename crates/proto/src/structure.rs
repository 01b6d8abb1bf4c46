//! `google.protobuf.Struct`: JSON in protobuf, its fields in order, so that equal values have one encoding.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

use value::Kind;

/// A JSON object.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Struct {
    /// By name.
    #[prost(btree_map = "string, message", tag = "1")]
    pub fields: BTreeMap<String, Value>,
}

/// Any JSON.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Value {
    /// What it is; `None`, which protobuf does not allow, counts as null.
    #[prost(oneof = "value::Kind", tags = "1, 2, 3, 4, 5, 6")]
    pub kind: Option<value::Kind>,
}

/// A JSON array.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ListValue {
    /// In their order.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<Value>,
}

/// What a [`Value`] can be.
pub mod value {
    /// One of JSON's types.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Kind {
        /// Null, always 0.
        #[prost(int32, tag = "1")]
        NullValue(i32),
        /// A number.
        #[prost(double, tag = "2")]
        NumberValue(f64),
        /// A text.
        #[prost(string, tag = "3")]
        StringValue(String),
        /// True or false.
        #[prost(bool, tag = "4")]
        BoolValue(bool),
        /// An object.
        #[prost(message, tag = "5")]
        StructValue(super::Struct),
        /// An array.
        #[prost(message, tag = "6")]
        ListValue(super::ListValue),
    }
}

impl From<Kind> for Value {
    fn from(kind: Kind) -> Self {
        Self { kind: Some(kind) }
    }
}

impl Serialize for Struct {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(&self.fields)
    }
}

impl Serialize for ListValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.values)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.kind {
            None | Some(Kind::NullValue(_)) => serializer.serialize_unit(),
            Some(Kind::NumberValue(number)) => serializer.serialize_f64(*number),
            Some(Kind::StringValue(text)) => serializer.serialize_str(text),
            Some(Kind::BoolValue(is_so)) => serializer.serialize_bool(*is_so),
            Some(Kind::StructValue(object)) => object.serialize(serializer),
            Some(Kind::ListValue(list)) => list.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Struct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = BTreeMap::deserialize(deserializer)?;
        Ok(Self { fields })
    }
}

impl<'de> Deserialize<'de> for ListValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = Vec::deserialize(deserializer)?;
        Ok(Self { values })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyJson)
    }
}

struct AnyJson;

impl<'de> Visitor<'de> for AnyJson {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Kind::NullValue(0).into())
    }

    fn visit_bool<E: Error>(self, is_so: bool) -> Result<Value, E> {
        Ok(Kind::BoolValue(is_so).into())
    }

    // Protobuf's JSON has no other numbers than floats.
    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Kind::NumberValue(number as f64).into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(Kind::NumberValue(number as f64).into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(Kind::NumberValue(number).into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Kind::StringValue(text.to_owned()).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element()? {
            values.push(value);
        }
        Ok(Kind::ListValue(ListValue { values }).into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((name, value)) = entries.next_entry()? {
            fields.insert(name, value);
        }
        Ok(Kind::StructValue(Struct { fields }).into())
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use serde_json::json;

    use super::Struct;

    #[test]
    fn json_comes_back_and_order_does_not_matter() {
        let json = json!({
            "z": null, "b": true, "n": -1.5, "t": "text", "l": [1.0, [], {}], "o": { "y": {}, "a": [] },
        });
        let typed: Option<Struct> = serde_json::from_value(json.clone()).ok();
        let back = typed
            .as_ref()
            .and_then(|typed| serde_json::to_value(typed).ok());
        assert_eq!(back, Some(json));

        let wire = typed.map(|typed| typed.encode_to_vec());
        let other = r#"{"o":{"a":[],"y":{}},"l":[1,[],{}],"t":"text","n":-1.5,"b":true,"z":null}"#;
        let other: Option<Struct> = serde_json::from_str(other).ok();
        assert_eq!(other.map(|other| other.encode_to_vec()), wire);
        let decoded = wire.as_deref().and_then(|wire| Struct::decode(wire).ok());
        assert_eq!(decoded.map(|decoded| decoded.encode_to_vec()), wire);
    }

    #[test]
    fn only_an_object_is_a_struct() {
        for text in ["[]", "7", "null", "\"a\""] {
            assert!(serde_json::from_str::<Struct>(text).is_err(), "{text}");
        }
    }
}
