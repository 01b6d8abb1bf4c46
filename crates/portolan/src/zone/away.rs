//! The proxies that cannot be counted on: they do not serve yet, or have lost their stream.

use std::collections::HashMap;

use parking_lot::Mutex;
use portolan_model::ResourceKey;
use tokio::{sync::watch, time::Instant};

/// Why a proxy cannot be counted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// It is new, and does not serve yet.
    Starts,
    /// It has closed its last stream, or has opened one anew and does not serve yet.
    Left(Instant),
}

/// All of them. Every change moves [`Away::changes`].
#[derive(Debug, Default)]
pub(crate) struct Away {
    all: Mutex<HashMap<ResourceKey, Absence>>,
    changes: watch::Sender<u64>,
}

impl Away {
    /// Notes that a proxy cannot be counted on, or that it can.
    pub(crate) fn set(&self, proxy: &ResourceKey, absence: Option<Absence>) {
        let mut all = self.all.lock();
        let before = match absence {
            Some(absence) => all.insert(proxy.clone(), absence),
            None => all.remove(proxy),
        };
        drop(all);
        if before != absence {
            self.changes.send_modify(|changes| *changes += 1);
        }
    }

    /// All of them now.
    pub(crate) fn all(&self) -> HashMap<ResourceKey, Absence> {
        self.all.lock().clone()
    }

    /// Moves whenever one is added or removed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
