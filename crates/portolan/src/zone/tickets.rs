//! Keys of TLS session tickets for the zone's gateways, made here and kept in memory alone.
//!
//! All instances of a gateway have the same keys, so that a client which comes back needs no full handshake,
//! wherever its connection lands. No gateway has those of another.

use std::{collections::HashMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use portolan_gateway::ticket_keys_secret;
use portolan_identity::tickets::TicketKeys;
use portolan_xds::Resource;
use tracing::info;

use crate::server::duration;

/// The shortest interval: a new key has to reach all instances within it.
const SHORTEST: SignedDuration = SignedDuration::from_secs(1);
/// The longest interval: half of what TLS 1.3 lets a ticket live at most.
const LONGEST: SignedDuration = SignedDuration::from_hours(84);

/// An interval on the command line: `8h`, `30m`.
pub(super) fn interval(text: &str) -> anyhow::Result<SignedDuration> {
    let interval = SignedDuration::try_from(duration::parse(text)?)?;
    anyhow::ensure!(
        (SHORTEST..=LONGEST).contains(&interval),
        "keys of session tickets are replaced after 1s at least and 84h at most"
    );
    Ok(interval)
}

/// The keys of all gateways that have asked for some.
pub(super) struct Tickets {
    interval: SignedDuration,
    /// By the name of the Secret.
    gateways: HashMap<Arc<str>, Held>,
}

struct Held {
    keys: TicketKeys,
    secret: Resource,
    /// Whether an instance had it since the last rotation.
    used: bool,
}

impl Tickets {
    /// Keys encrypt tickets for this long each.
    pub(super) fn new(interval: SignedDuration) -> Self {
        Self {
            interval,
            gateways: HashMap::new(),
        }
    }

    /// Rotates the keys that are due, and forgets those that nobody has used since the last time.
    pub(super) fn rotate(&mut self, now: Timestamp) {
        let interval = self.interval;
        self.gateways.retain(|name, held| {
            if !held.keys.rotate(now, interval) {
                return true;
            }
            info!(secret = %name, next = %held.keys.rotate_at(), "rotated the keys of session tickets");
            held.secret = secret(name, &held.keys);
            std::mem::take(&mut held.used)
        });
    }

    /// When keys are rotated next.
    pub(super) fn next_rotation(&self) -> Option<Timestamp> {
        let held = self.gateways.values();
        held.map(|held| held.keys.rotate_at()).min()
    }

    /// The Secret of this name; its keys are made when it is asked for.
    pub(super) fn secret(&mut self, name: &Arc<str>, now: Timestamp) -> &Resource {
        let held = self.gateways.entry(Arc::clone(name)).or_insert_with(|| {
            let keys = TicketKeys::new(now, self.interval);
            Held {
                secret: secret(name, &keys),
                keys,
                used: true,
            }
        });
        held.used = true;
        &held.secret
    }
}

fn secret(name: &str, keys: &TicketKeys) -> Resource {
    let encoded = ticket_keys_secret(name, &keys.in_order());
    Resource {
        version: encoded.version,
        body: encoded.body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_within_reason() {
        for (text, expected) in [
            ("8h", Some(8 * 3600)),
            ("1s", Some(1)),
            ("84h", Some(84 * 3600)),
            ("0s", None),
            ("999ms", None),
            ("85h", None),
            ("often", None),
        ] {
            let interval = interval(text).ok().map(|interval| interval.as_secs());
            assert_eq!(interval, expected, "{text}");
        }
    }

    #[test]
    fn gateways_have_keys_of_their_own_until_nobody_uses_them() {
        let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        let mut tickets = Tickets::new(SignedDuration::from_secs(100));
        assert_eq!(tickets.next_rotation(), None);
        let [one, other] = ["session_tickets:m:one", "session_tickets:m:other"].map(Arc::from);
        let first = tickets.secret(&one, at(0)).clone();
        assert_ne!(*tickets.secret(&other, at(10)), first);
        assert_eq!(tickets.next_rotation(), Some(at(100)));

        tickets.rotate(at(99));
        assert_eq!(*tickets.secret(&one, at(99)), first);
        tickets.rotate(at(100));
        let second = tickets.secret(&one, at(100)).clone();
        assert_ne!(second, first);

        tickets.rotate(at(200));
        tickets.secret(&one, at(200));
        tickets.rotate(at(300));
        assert!(tickets.gateways.contains_key(&one));
        assert!(!tickets.gateways.contains_key(&other));
    }
}
