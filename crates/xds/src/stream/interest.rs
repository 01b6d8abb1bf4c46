//! Which resources of a type a proxy wants.

use std::{collections::BTreeSet, sync::Arc};

use super::message::Names;

/// Every name.
const ALL: &str = "*";

/// The names that a proxy wants.
#[derive(Debug, Default)]
pub(super) struct Interest {
    all: bool,
    names: BTreeSet<Arc<str>>,
    /// Whether names have ever been given: only before that does "none" mean "all".
    named: bool,
    /// Length of all names together.
    bytes: usize,
}

/// What a request changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Names that must be answered: new ones, and in the incremental protocol those asked for again.
    pub(super) asked: Vec<Arc<str>>,
    /// Names that are no longer wanted for themselves.
    pub(super) dropped: Vec<Arc<str>>,
    /// Everything is wanted, and was not before.
    pub(super) all_begins: bool,
    /// Everything was wanted, and is not any more.
    pub(super) all_ends: bool,
}

impl Interest {
    /// Takes a request's word. `none_is_all` makes a first request without names ask for everything.
    pub(super) fn change(&mut self, names: Names, none_is_all: bool) -> Change {
        let before = self.all;
        let mut change = match names {
            Names::Change {
                subscribe,
                unsubscribe,
            } => {
                let silent = subscribe.is_empty() && unsubscribe.is_empty();
                self.all |= none_is_all && silent && !self.named;
                self.edit(subscribe, unsubscribe)
            }
            Names::Exactly(names) if names.is_empty() && !self.named => {
                self.all = none_is_all;
                Change::default()
            }
            Names::Exactly(names) => self.replace(names),
        };
        change.all_begins = self.all && !before;
        change.all_ends = before && !self.all;
        change
    }

    fn edit(&mut self, subscribe: Vec<String>, unsubscribe: Vec<String>) -> Change {
        let mut change = Change::default();
        for name in unsubscribe {
            if name == ALL {
                self.all = false;
            } else if let Some(name) = self.names.take(name.as_str()) {
                self.bytes -= name.len();
                change.dropped.push(name);
            }
        }
        for name in subscribe {
            self.named = true;
            if name == ALL {
                self.all = true;
            } else {
                change.asked.push(self.add(name));
            }
        }
        change
    }

    fn add(&mut self, name: String) -> Arc<str> {
        if let Some(known) = self.names.get(name.as_str()) {
            return Arc::clone(known);
        }
        let name = Arc::<str>::from(name);
        self.bytes += name.len();
        self.names.insert(Arc::clone(&name));
        name
    }

    fn replace(&mut self, names: Vec<String>) -> Change {
        self.named = true;
        self.all = names.iter().any(|name| name == ALL);
        let mut old = std::mem::take(&mut self.names);
        self.bytes = 0;
        let mut asked = Vec::new();
        for name in names.into_iter().filter(|name| name != ALL) {
            if let Some(known) = old.take(name.as_str()) {
                self.bytes += known.len();
                self.names.insert(known);
            } else if !self.names.contains(name.as_str()) {
                asked.push(self.add(name));
            }
        }
        Change {
            asked,
            dropped: old.into_iter().collect(),
            ..Change::default()
        }
    }

    /// Whether the proxy wants it.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.all || self.names.contains(name)
    }

    /// Whether the proxy wants it for itself.
    pub(super) fn names(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Whether the proxy wants nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        !self.all && self.names.is_empty()
    }

    /// Length of all names together.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn exactly(names: &[&str]) -> Names {
        Names::Exactly(names.iter().map(ToString::to_string).collect())
    }

    fn edit(subscribe: &[&str], unsubscribe: &[&str]) -> Names {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Names::Change {
            subscribe: owned(subscribe),
            unsubscribe: owned(unsubscribe),
        }
    }

    /// After each request: whether `A` and `other` are wanted.
    fn walk(requests: Vec<(Names, bool, bool)>) {
        let mut interest = Interest::default();
        for (index, (names, wants_a, wants_other)) in requests.into_iter().enumerate() {
            interest.change(names, true);
            let wants = (interest.wants("A"), interest.wants("other"));
            assert_eq!(wants, (wants_a, wants_other), "after request {index}");
        }
    }

    /// The example of the xDS specification.
    #[test]
    fn no_names_mean_all_only_until_names_were_given_in_state_of_the_world() {
        walk(vec![
            (exactly(&[]), true, true),
            (exactly(&["*", "A"]), true, true),
            (exactly(&["A"]), true, false),
            (exactly(&[]), false, false),
        ]);
    }

    /// The example of the xDS specification.
    #[test]
    fn no_names_mean_all_only_until_names_were_given_in_delta() {
        walk(vec![
            (edit(&[], &[]), true, true),
            (edit(&["A"], &[]), true, true),
            (edit(&[], &["*"]), true, false),
            (edit(&[], &["A"]), false, false),
            (edit(&[], &[]), false, false),
        ]);
    }

    #[test]
    fn a_type_without_wildcard_takes_no_names_as_none() {
        let mut interest = Interest::default();
        interest.change(exactly(&[]), false);
        assert!(interest.is_empty());
        interest.change(exactly(&["*"]), false);
        assert!(interest.wants("anything"));
    }

    #[test]
    fn changes_name_what_came_and_went() {
        let mut interest = Interest::default();
        let change = interest.change(exactly(&["a", "b", "b"]), false);
        assert_eq!(change.asked, ["a".into(), "b".into()]);
        let change = interest.change(exactly(&["b", "c"]), false);
        assert_eq!(
            (change.asked, change.dropped),
            (vec!["c".into()], vec!["a".into()])
        );
        assert_eq!(interest.bytes(), 2);

        let mut interest = Interest::default();
        interest.change(edit(&["a"], &[]), false);
        let change = interest.change(edit(&["a"], &["phantom"]), false);
        assert_eq!(change.asked, ["a".into()], "asked for again");
        assert_eq!(change.dropped, [] as [Arc<str>; 0]);
        assert_eq!(interest.bytes(), 1);
    }
}
