//! Durations on the command line.

use std::time::Duration;

use anyhow::Context;
use jiff::SignedDuration;

/// `30s`, `5m`, `1h30m`.
pub(crate) fn parse(text: &str) -> anyhow::Result<Duration> {
    let parsed: SignedDuration = text
        .parse()
        .with_context(|| format!("{text:?} is not a duration such as 30s or 5m"))?;
    Duration::try_from(parsed).context("a duration cannot be negative")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_people_write() {
        for (text, seconds) in [("30s", 30), ("5m", 300), ("1h30m", 5400)] {
            assert_eq!(
                parse(text).ok(),
                Some(Duration::from_secs(seconds)),
                "{text}"
            );
        }
        assert!(parse("-1s").is_err());
        assert!(parse("soon").is_err());
    }
}
