//! The routes that were tried before the one that takes the request: as many as are worth reading.

use super::{
    answer::{Failed, Tried},
    evaluate::Miss,
    place,
    request::Seen,
};
use crate::plan::table::Route;

/// Most routes that are listed as tried.
const MOST_TRIED: usize = 100;

/// Tries while they come in: as many of each of the two sorts as can be listed at all.
#[derive(Default)]
pub(super) struct Tries {
    /// Those that take the path.
    near: Vec<Tried>,
    far: Vec<Tried>,
    all: usize,
}

impl Tries {
    pub(super) fn add(&mut self, position: usize, route: &Route, miss: &Miss<'_>, seen: &Seen) {
        let failed = miss.kind();
        self.all += 1;
        let list = if failed == Failed::Path {
            &mut self.far
        } else {
            &mut self.near
        };
        if list.len() == MOST_TRIED {
            return;
        }
        list.push(Tried {
            place: place(position, route),
            failed,
            why: miss.words(seen),
        });
    }

    /// Those that are listed, in order, and how many are not.
    pub(super) fn finish(self) -> (Vec<Tried>, usize) {
        let mut listed = self.near;
        listed.extend(self.far.into_iter().take(MOST_TRIED - listed.len()));
        listed.sort_by_key(|tried| tried.place.position);
        let more = self.all - listed.len();
        (listed, more)
    }
}
