//! Which resources of a type the proxy wants.

use std::collections::BTreeSet;

/// What a request says about names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// More and fewer than before (incremental).
    Change {
        /// Names to add; `*` means all.
        subscribe: Vec<String>,
        /// Names to drop.
        unsubscribe: Vec<String>,
    },
    /// Exactly these (state of the world).
    Exactly(Vec<String>),
}

impl Default for Names {
    fn default() -> Self {
        Self::Change { subscribe: Vec::new(), unsubscribe: Vec::new() }
    }
}

/// The names that a proxy wants.
#[derive(Debug, Default)]
pub(super) struct Subscription {
    all: bool,
    names: BTreeSet<String>,
    /// Whether names have ever been given: only before that does "none" mean "all".
    named: bool,
}

/// Every name.
const ALL: &str = "*";

impl Subscription {
    /// Takes a request's word. Returns the names that were asked for now, and those that were dropped.
    pub(super) fn change(
        &mut self,
        names: Names,
        none_is_all: bool,
    ) -> (Vec<String>, Vec<String>) {
        match names {
            Names::Change { subscribe, unsubscribe } => {
                if subscribe.is_empty() && !self.named && none_is_all {
                    self.all = true;
                }
                for name in &unsubscribe {
                    self.all &= name != ALL;
                    self.names.remove(name);
                }
                for name in &subscribe {
                    self.named = true;
                    self.all |= name == ALL;
                    self.names.insert(name.clone());
                }
                (subscribe, unsubscribe)
            }
            Names::Exactly(names) => self.replace(names, none_is_all),
        }
    }

    fn replace(&mut self, names: Vec<String>, none_is_all: bool) -> (Vec<String>, Vec<String>) {
        if names.is_empty() && !self.named {
            self.all = none_is_all;
            return (Vec::new(), Vec::new());
        }
        self.named = true;
        self.all = names.iter().any(|name| name == ALL);
        let names: BTreeSet<String> = names.into_iter().collect();
        let added = names.difference(&self.names).cloned().collect();
        let dropped = self.names.difference(&names).cloned().collect();
        self.names = names;
        (added, dropped)
    }

    /// Whether the proxy wants it.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.all || self.names.contains(name)
    }

    /// Whether the proxy wants whatever there is.
    pub(super) fn wants_all(&self) -> bool {
        self.all
    }
}
