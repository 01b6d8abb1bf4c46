//! `google.protobuf.Timestamp`, with the JSON form that ends in `Z`: some clients take no other offset.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};

/// A moment, as seconds since 1970 and nanoseconds of the second.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// 0 to 999,999,999.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(time: jiff::Timestamp) -> Self {
        let (seconds, nanos) = (time.as_second(), time.subsec_nanosecond());
        // Before 1970 jiff counts both downwards; protobuf's nanoseconds always count upwards.
        if nanos < 0 {
            let (seconds, nanos) = (seconds - 1, nanos + 1_000_000_000);
            return Self { seconds, nanos };
        }
        Self { seconds, nanos }
    }
}

impl TryFrom<Timestamp> for jiff::Timestamp {
    type Error = jiff::Error;

    fn try_from(time: Timestamp) -> Result<Self, jiff::Error> {
        Self::new(time.seconds, time.nanos)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let time = jiff::Timestamp::try_from(*self).map_err(S::Error::custom)?;
        // No, three, six or nine digits, as proto3 JSON has it.
        let digits = match self.nanos {
            0 => 0,
            nanos if nanos % 1_000_000 == 0 => 3,
            nanos if nanos % 1_000 == 0 => 6,
            _ => 9,
        };
        serializer.collect_str(&format_args!("{time:.digits$}"))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = jiff::Timestamp::from_str(&text).map_err(D::Error::custom)?;
        Ok(time.into())
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn the_json_form_ends_in_z_and_comes_back() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (1_764_000_000, 120_000_000, "2025-11-24T16:00:00.120Z"),
            (1_764_000_000, 120_000, "2025-11-24T16:00:00.000120Z"),
            (-1, 1, "1969-12-31T23:59:59.000000001Z"),
        ] {
            let time = Timestamp { seconds, nanos };
            let json = serde_json::to_string(&time).ok();
            assert_eq!(json, Some(format!("{text:?}")));
            assert_eq!(serde_json::from_str(&format!("{text:?}")).ok(), Some(time));
        }
        let other_offset = "\"1970-01-01T01:00:00+01:00\"";
        assert_eq!(
            serde_json::from_str(other_offset).ok(),
            Some(Timestamp::default())
        );
        assert!(serde_json::from_str::<Timestamp>("\"yesterday\"").is_err());
        assert!(serde_json::from_str::<Timestamp>("7").is_err());
    }
}
