//! How long changes are kept.

use std::time::Duration;

use jiff::Timestamp;
use portolan_model::Revision;

/// What compaction leaves in the log. The current state is never touched.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Changes younger than this stay.
    pub age: Duration,
    /// At most so many changes stay.
    pub changes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            age: Duration::from_secs(24 * 3600),
            changes: 100_000,
        }
    }
}

impl Retention {
    /// Changes up to this revision are too many.
    pub(crate) fn horizon(&self, newest: Revision) -> Revision {
        newest.saturating_sub(self.changes)
    }

    /// Changes from before this time, in nanoseconds since 1970, are too old.
    pub(crate) fn oldest(&self, now: Timestamp) -> i64 {
        let age = i128::try_from(self.age.as_nanos()).unwrap_or(i128::MAX);
        i64::try_from(now.as_nanosecond().saturating_sub(age)).unwrap_or_default()
    }
}
