//! Equal values, kept once: thousands of routes name the same few selectors and destinations.

use std::{collections::BTreeSet, sync::Arc};

/// Sweeping waits until this many values have come, so that small sets are never swept.
const SMALL: usize = 64;

/// A set of shared values that forgets those that nobody else holds.
#[derive(Clone, Debug)]
pub struct Interner<T> {
    values: BTreeSet<Arc<T>>,
    sweep_at: usize,
}

impl<T: Ord> Default for Interner<T> {
    fn default() -> Self {
        Self {
            values: BTreeSet::new(),
            sweep_at: SMALL,
        }
    }
}

impl<T: Ord> Interner<T> {
    /// The shared value that is equal to `value`.
    pub fn intern(&mut self, value: T) -> Arc<T> {
        if let Some(found) = self.values.get(&value) {
            return found.clone();
        }
        if self.values.len() >= self.sweep_at {
            self.values.retain(|value| Arc::strong_count(value) > 1);
            self.sweep_at = SMALL + 2 * self.values.len();
        }
        let shared = Arc::new(value);
        self.values.insert(shared.clone());
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one() {
        let mut interner = Interner::default();
        let first = interner.intern("a".to_owned());
        assert!(Arc::ptr_eq(&first, &interner.intern("a".to_owned())));
    }

    #[test]
    fn forgotten_values_do_not_pile_up() {
        let mut interner = Interner::default();
        let kept = interner.intern(usize::MAX);
        for value in 0..10_000 {
            interner.intern(value);
        }
        assert!(interner.values.len() <= SMALL * 3);
        assert!(Arc::ptr_eq(&kept, &interner.intern(usize::MAX)));
    }
}
