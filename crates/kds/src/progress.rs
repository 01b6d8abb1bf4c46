//! How far a response brings its receiver: what peers of our own carry in `system_version_info`.

use std::fmt;

use portolan_model::Revision;

/// The meaning of a response for the state of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A page of a full listing; more follow.
    ListMore,
    /// The last page of a full listing: what was in none of its pages is gone.
    ListLast,
    /// Changes since the last response.
    Delta,
}

/// Phase, mark and the identity of the store that counts it, as `delta:17:STORE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) phase: Phase,
    /// With this response, the receiver has everything of all kinds up to this revision; `None` while
    /// something is still to be sent.
    pub(crate) mark: Option<Revision>,
    pub(crate) store_id: String,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            Phase::ListMore => "list-more",
            Phase::ListLast => "list-last",
            Phase::Delta => "delta",
        };
        write!(
            f,
            "{phase}:{}:{}",
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
        let phase = match phase {
            "list-more" => Phase::ListMore,
            "list-last" => Phase::ListLast,
            "delta" => Phase::Delta,
            _ => return None,
        };
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
        for phase in [Phase::ListMore, Phase::ListLast, Phase::Delta] {
            for mark in [None, Some(17)] {
                let progress = Progress {
                    phase,
                    mark,
                    store_id: "a:b".to_owned(),
                };
                assert_eq!(Progress::parse(&progress.to_string()), Some(progress));
            }
        }
        assert_eq!(Progress::parse(""), None);
        assert_eq!(Progress::parse("v1"), None);
    }
}
