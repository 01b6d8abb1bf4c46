//! `google.protobuf.FloatValue`, whose JSON form has the digits that were written: 62.7 stays 62.7.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number that may be absent.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct FloatValue {
    /// The number.
    #[prost(float, tag = "1")]
    pub value: f32,
}

impl Serialize for FloatValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The nearest double has more digits than the float: 62.70000076293945.
        let shortest = self
            .value
            .to_string()
            .parse()
            .unwrap_or(f64::from(self.value));
        serializer.serialize_f64(shortest)
    }
}

impl<'de> Deserialize<'de> for FloatValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f32::deserialize(deserializer).map(|value| Self { value })
    }
}

#[cfg(test)]
mod tests {
    use super::FloatValue;

    #[test]
    fn digits_stay() {
        for text in ["62.7", "0.1", "0.0", "100.0", "-3.5"] {
            let number: Option<FloatValue> = serde_json::from_str(text).ok();
            let value = number.and_then(|number| serde_json::to_value(number).ok());
            assert_eq!(value.map(|value| value.to_string()).as_deref(), Some(text));
        }
        assert!(serde_json::from_str::<FloatValue>("\"much\"").is_err());
    }
}
