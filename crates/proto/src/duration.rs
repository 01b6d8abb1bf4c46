//! `google.protobuf.Duration`, whose JSON form also takes units other than seconds (`20ms`, `1h30m`), as
//! Kuma does. It is written in seconds, as proto3 JSON has it.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

const NANOS_PER_SECOND: i128 = 1_000_000_000;
/// Nanoseconds of each unit; `ms` goes before `m`.
const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", NANOS_PER_SECOND),
    ("m", 60 * NANOS_PER_SECOND),
    ("h", 3_600 * NANOS_PER_SECOND),
];

/// A span of time; both numbers have the same sign.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Duration {
    /// Whole seconds.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// -999,999,999 to 999,999,999.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl Duration {
    /// The most that Envoy takes, 292 years.
    pub const MAX_SECONDS: i64 = 9_223_372_035;

    fn total_nanos(self) -> i128 {
        i128::from(self.seconds) * NANOS_PER_SECOND + i128::from(self.nanos)
    }

    /// `None` beyond the longest.
    fn from_nanos(nanos: i128) -> Option<Self> {
        let seconds = i64::try_from(nanos / NANOS_PER_SECOND).ok()?;
        let nanos = i32::try_from(nanos % NANOS_PER_SECOND).ok()?;
        (seconds.abs() <= Self::MAX_SECONDS).then_some(Self { seconds, nanos })
    }

    /// Reads one or more numbers with units, perhaps after a sign.
    fn parse(text: &str) -> Option<Self> {
        let (sign, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Some(Self::default());
        }
        let mut nanos = 0_i128;
        loop {
            let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
            let (number, after) = rest.split_at(end);
            let (unit, size) = UNITS.iter().find(|(unit, _)| after.starts_with(unit))?;
            nanos = nanos.checked_add(times(number, *size)?)?;
            rest = &after[unit.len()..];
            if rest.is_empty() {
                return Self::from_nanos(sign * nanos);
            }
        }
    }
}

/// A decimal number times `size`, rounded down.
fn times(number: &str, size: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits = |text: &str| -> Option<i128> {
        if text.is_empty() {
            Some(0)
        } else {
            text.parse().ok()
        }
    };
    // More digits than these are less than a nanosecond of an hour.
    let fraction = fraction.get(..fraction.len().min(18))?;
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    digits(whole)?
        .checked_mul(size)?
        .checked_add(digits(fraction)?.checked_mul(size)? / scale)
}

impl From<std::time::Duration> for Duration {
    fn from(duration: std::time::Duration) -> Self {
        let seconds = i128::from(duration.as_secs());
        let nanos = seconds * NANOS_PER_SECOND + i128::from(duration.subsec_nanos());
        let longest = Self {
            seconds: Self::MAX_SECONDS,
            nanos: 0,
        };
        Self::from_nanos(nanos).unwrap_or(longest)
    }
}

/// Negative ones have no counterpart.
impl TryFrom<Duration> for std::time::Duration {
    type Error = std::num::TryFromIntError;

    fn try_from(duration: Duration) -> Result<Self, Self::Error> {
        Ok(Self::new(
            duration.seconds.try_into()?,
            duration.nanos.try_into()?,
        ))
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nanos = self.total_nanos();
        let sign = if nanos < 0 { "-" } else { "" };
        let (seconds, nanos) = (
            nanos.abs() / NANOS_PER_SECOND,
            nanos.abs() % NANOS_PER_SECOND,
        );
        // No, three, six or nine digits, as proto3 JSON has it.
        let (fraction, digits) = match nanos {
            0 => return serializer.collect_str(&format_args!("{sign}{seconds}s")),
            nanos if nanos % 1_000_000 == 0 => (nanos / 1_000_000, 3),
            nanos if nanos % 1_000 == 0 => (nanos / 1_000, 6),
            nanos => (nanos, 9),
        };
        serializer.collect_str(&format_args!("{sign}{seconds}.{fraction:0digits$}s"))
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "{text:?} is not a duration such as 5s, 200ms or 1h30m"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Duration;

    fn read(text: &str) -> Option<Duration> {
        serde_json::from_str(&format!("{text:?}")).ok()
    }

    #[test]
    fn units_are_read_and_seconds_written() {
        for (text, seconds, nanos, written) in [
            ("0s", 0, 0, "0s"),
            ("0", 0, 0, "0s"),
            ("5s", 5, 0, "5s"),
            ("+5s", 5, 0, "5s"),
            ("20ms", 0, 20_000_000, "0.020s"),
            ("0.5ms", 0, 500_000, "0.000500s"),
            ("15us", 0, 15_000, "0.000015s"),
            ("15\u{b5}s", 0, 15_000, "0.000015s"),
            ("7ns", 0, 7, "0.000000007s"),
            (".5s", 0, 500_000_000, "0.500s"),
            ("1.s", 1, 0, "1s"),
            ("1h30m", 5_400, 0, "5400s"),
            ("1m2.25s", 62, 250_000_000, "62.250s"),
            ("-1.5s", -1, -500_000_000, "-1.500s"),
            ("-20ms", 0, -20_000_000, "-0.020s"),
            ("1.0000000019s", 1, 1, "1.000000001s"),
            ("9223372035s", 9_223_372_035, 0, "9223372035s"),
        ] {
            let duration = Duration { seconds, nanos };
            assert_eq!(read(text), Some(duration), "{text}");
            let json = serde_json::to_string(&duration).ok();
            assert_eq!(json, Some(format!("{written:?}")));
            assert_eq!(read(written), Some(duration), "{written}");
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "5",
            "s",
            ".s",
            "1..5s",
            "1.2.3s",
            "5 s",
            "5d",
            "s5",
            "-",
            "1s2",
            "1\u{bc}s",
            "9223372036s",
            "99999999999999999999999999999999999999999h",
            "--5s",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert!(serde_json::from_str::<Duration>("5").is_err());
    }

    #[test]
    fn the_standard_library_s_durations_come_back() {
        let duration = std::time::Duration::new(3, 4);
        assert_eq!(
            std::time::Duration::try_from(Duration::from(duration)),
            Ok(duration)
        );
        let longest = Duration::from(std::time::Duration::MAX);
        assert_eq!(longest.seconds, Duration::MAX_SECONDS);
        let negative = Duration {
            seconds: -1,
            nanos: 0,
        };
        assert!(std::time::Duration::try_from(negative).is_err());
    }
}
