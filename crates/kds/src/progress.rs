//! How far a response brings its receiver: what peers of our own carry in `system_version_info`.

use std::fmt;

use portolan_model::Revision;

/// The meaning of a response for the state of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A full listing in one page: what is not in it is gone.
    List,
    /// The first of several pages of a full listing; an earlier listing that did not end is void.
    ListFirst,
    /// A page in the middle of a full listing.
    ListMore,
    /// The last page of a full listing: what was in none of its pages is gone.
    ListLast,
    /// Changes since the last response.
    Delta,
}

impl Phase {
    /// As it is written.
    const NAMES: [(Phase, &str); 5] = [
        (Phase::List, "list"),
        (Phase::ListFirst, "list-first"),
        (Phase::ListMore, "list-more"),
        (Phase::ListLast, "list-last"),
        (Phase::Delta, "delta"),
    ];
}

/// Phase, mark and what counts it, as `delta:17:STORE/KINDS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) phase: Phase,
    /// With this response, the receiver has everything of all kinds up to this revision; `None` while
    /// something is still to be sent.
    pub(crate) mark: Option<Revision>,
    /// What the mark counts: the sender's store, and the kinds that the peer gets of it.
    pub(crate) store_id: String,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Phase::NAMES
            .iter()
            .find(|(phase, _)| *phase == self.phase)
            .map_or("", |(_, name)| *name);
        write!(
            f,
            "{name}:{}:{}",
            self.mark.unwrap_or_default(),
            self.store_id
        )
    }
}

impl Progress {
    /// Reads it; `None` for what Kuma sends, which is empty.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (phase, rest) = text.split_once(':')?;
        let (mark, store_id) = rest.split_once(':')?;
        let (phase, _) = *Phase::NAMES.iter().find(|(_, name)| *name == phase)?;
        let mark = Some(mark.parse().ok()?).filter(|mark| *mark > 0);
        Some(Self {
            phase,
            mark,
            store_id: store_id.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for (phase, _) in Phase::NAMES {
            for mark in [None, Some(17)] {
                let progress = Progress {
                    phase,
                    mark,
                    store_id: "a:b".to_owned(),
                };
                assert_eq!(Progress::parse(&progress.to_string()), Some(progress));
            }
        }
    }

    #[test]
    fn what_others_write_there_is_not_progress() {
        for text in ["", "v1", "delta", "delta:1", "delta:x:s", "later:1:s"] {
            assert_eq!(Progress::parse(text), None, "{text:?}");
        }
    }
}
