//! How soon an Envoy that ended is started again, and when that has no sense any more.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// So many Envoys in a row may end before one has served.
pub(super) const PATIENCE: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// An Envoy that lived so long did not end for the reason of the one before.
const STEADY: Duration = Duration::from_secs(30);

/// What the Envoys so far have taught.
#[derive(Debug)]
pub(super) struct Patience {
    in_vain: u32,
    pauses: ExponentialBackoff,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            in_vain: 0,
            pauses: pauses(),
        }
    }
}

impl Patience {
    /// The pause after an Envoy that ended; `None` when another one will not do better: as many as
    /// [`PATIENCE`] have ended before they served. One that has served is always started again.
    pub(super) fn pause(&mut self, served: bool, lived: Duration) -> Option<Duration> {
        self.in_vain = if served { 0 } else { self.in_vain + 1 };
        if self.in_vain >= PATIENCE {
            return None;
        }
        if lived >= STEADY {
            self.pauses = pauses();
        }
        Some(self.pauses.next().unwrap_or(LAST_PAUSE))
    }
}

fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LAST_PAUSE)
        .with_jitter()
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const MOMENT: Duration = Duration::from_millis(10);

    #[test]
    fn pauses_grow_and_begin_anew_after_a_steady_life() {
        let mut patience = Patience::default();
        let first = patience.pause(true, MOMENT).unwrap();
        assert!(
            (FIRST_PAUSE..=2 * FIRST_PAUSE).contains(&first),
            "{first:?}"
        );
        for _ in 0..20 {
            patience.pause(true, MOMENT).unwrap();
        }
        let late = patience.pause(true, MOMENT).unwrap();
        assert!((LAST_PAUSE..=2 * LAST_PAUSE).contains(&late), "{late:?}");
        let fresh = patience.pause(true, STEADY).unwrap();
        assert!(fresh <= 2 * FIRST_PAUSE, "{fresh:?}");
    }

    #[test]
    fn it_ends_when_none_serves() {
        let mut patience = Patience::default();
        let given_up = |patience: &mut Patience| patience.pause(false, MOMENT).is_none();
        assert_eq!(
            [(); 5].map(|()| given_up(&mut patience)),
            [false, false, false, false, true]
        );
        patience.pause(true, MOMENT).unwrap();
        assert!(
            !given_up(&mut patience),
            "one that served counts for all before it"
        );
    }
}
