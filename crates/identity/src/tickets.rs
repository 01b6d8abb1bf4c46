//! Keys of TLS session tickets, shared by servers between which a client's connections are spread.
//!
//! ```text
//!   interval      1         2         3         4
//!   current       a         b         c         d       encrypts tickets, and decrypts them
//!   next          b         c         d         e       is with all servers before it encrypts
//!   previous      -         a         b         c       still decrypts
//! ```
//!
//! A ticket is good for one interval at least and for two at most, and each key is gone from memory after
//! three: whoever gets hold of keys reads no older sessions with them.

use std::fmt;

use aws_lc_rs::rand;
use jiff::{SignedDuration, Timestamp};

/// Length of one key.
pub const KEY_BYTES: usize = 80;

type Key = Box<[u8; KEY_BYTES]>;

/// The keys of one group of servers.
pub struct TicketKeys {
    current: Key,
    next: Key,
    previous: Key,
    rotate_at: Timestamp,
}

/// Without the keys.
impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketKeys")
            .field("rotate_at", &self.rotate_at)
            .finish_non_exhaustive()
    }
}

impl TicketKeys {
    /// New ones, which are rotated after an interval.
    pub fn new(now: Timestamp, interval: SignedDuration) -> Self {
        Self {
            current: key(),
            next: key(),
            previous: key(),
            rotate_at: now + interval,
        }
    }

    /// When they are rotated next.
    pub fn rotate_at(&self) -> Timestamp {
        self.rotate_at
    }

    /// Rotates them as often as intervals have passed; whether that was at least once.
    pub fn rotate(&mut self, now: Timestamp, interval: SignedDuration) -> bool {
        if now < self.rotate_at {
            return false;
        }
        let passed = now.duration_since(self.rotate_at).as_secs_f64() / interval.as_secs_f64();
        if passed >= 2.0 {
            // Slept through their time: all of them have ended.
            *self = Self::new(now, interval);
            return true;
        }
        while self.rotate_at <= now {
            let next = std::mem::replace(&mut self.next, key());
            self.previous = std::mem::replace(&mut self.current, next);
            self.rotate_at += interval;
        }
        true
    }

    /// The one that encrypts tickets first; all of them decrypt.
    pub fn in_order(&self) -> [&[u8; KEY_BYTES]; 3] {
        [&self.current, &self.next, &self.previous]
    }
}

fn key() -> Key {
    let mut key = Box::new([0; KEY_BYTES]);
    // aws-lc ends the process itself when the system has no randomness.
    #[allow(clippy::expect_used)]
    rand::fill(&mut *key).expect("random numbers");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: SignedDuration = SignedDuration::from_secs(100);

    fn after(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    fn owned(keys: &TicketKeys) -> [[u8; KEY_BYTES]; 3] {
        keys.in_order().map(|key| *key)
    }

    #[test]
    fn each_key_is_known_before_it_encrypts_and_after() {
        let mut keys = TicketKeys::new(after(0), INTERVAL);
        let [a, b, old] = owned(&keys);
        assert!(a != b && b != old && a != old);
        assert!(!keys.rotate(after(99), INTERVAL));
        assert_eq!(owned(&keys), [a, b, old]);

        assert!(keys.rotate(after(101), INTERVAL));
        let [current, c, previous] = owned(&keys);
        assert_eq!((current, previous), (b, a));
        // By the clock, not by when it was looked at.
        assert_eq!(keys.rotate_at(), after(200));

        assert!(keys.rotate(after(200), INTERVAL));
        let [current, d, previous] = owned(&keys);
        assert_eq!((current, previous), (c, b));
        assert!(![a, b, c].contains(&d));
    }

    #[test]
    fn time_that_was_slept_through_ends_keys_too() {
        let mut keys = TicketKeys::new(after(0), INTERVAL);
        let [_, next, _] = owned(&keys);
        assert!(keys.rotate(after(250), INTERVAL));
        assert_eq!(owned(&keys)[2], next);
        assert_eq!(keys.rotate_at(), after(300));

        let before = owned(&keys);
        assert!(keys.rotate(after(500), INTERVAL));
        assert!(owned(&keys).iter().all(|key| !before.contains(key)));
        assert_eq!(keys.rotate_at(), after(600));
    }
}
