//! How long ago something was, in one unit, as kubectl and kumactl show it.

use jiff::Timestamp;

/// `7s`, `12m`, `3h`, `5d`; empty for no time.
pub(crate) fn age(time: Option<Timestamp>, now: Timestamp) -> String {
    let Some(time) = time else {
        return String::new();
    };
    let seconds = now.duration_since(time).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_unit_is_enough() {
        let now = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(1000);
        let cases = [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (7200, "2h"),
            (90000, "1d"),
        ];
        for (seconds, expected) in cases {
            let time = now - jiff::SignedDuration::from_secs(seconds);
            assert_eq!(age(Some(time), now), expected);
        }
        assert_eq!(age(None, now), "");
    }
}
