//! The virtual hosts of a chain: which there are, whose they are, and which of them a route serves.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
    sync::Arc,
};

use portolan_model::hostname::Hostname;
use smallvec::SmallVec;

use super::port::{Listener, specificity};

/// One virtual host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The requests that it takes, unless a more specific host takes them.
    pub hostname: Hostname,
    /// The name of the virtual host: its hostname as text.
    pub name: Arc<str>,
    /// Position of the listener that it belongs to: the most specific of those that contain it.
    /// Its tags choose the policies.
    pub listener: usize,
}

/// All virtual hosts of one chain, the most specific first.
#[derive(Debug, Default)]
pub struct Hosts {
    list: Vec<Host>,
    by_name: HashMap<Arc<str>, usize>,
    /// By labels from the last to the first, so that what a wildcard contains stands together.
    by_labels: BTreeMap<String, usize>,
    of_listener: Vec<Vec<usize>>,
}

impl Hosts {
    /// Each listener's hostname, and each name that a route gives to a part of a wildcard listener's
    /// hosts. `listeners` has the most specific first.
    pub fn new(listeners: &[Arc<Listener>], named: &BTreeSet<&Hostname>) -> Self {
        let own = listeners.iter().map(|listener| &listener.hostname);
        let mut hostnames: Vec<_> = own.chain(named.iter().copied()).collect();
        hostnames.sort_by_cached_key(|hostname| specificity(hostname));
        hostnames.dedup();

        let mut hosts = Self {
            of_listener: vec![Vec::new(); listeners.len()],
            ..Self::default()
        };
        for hostname in hostnames {
            let owner = listeners
                .iter()
                .position(|listener| listener.hostname.contains(hostname));
            // Every name comes from a listener that contains it.
            let Some(listener) = owner else { continue };
            let name: Arc<str> = hostname.to_string().into();
            let position = hosts.list.len();
            hosts.by_name.insert(name.clone(), position);
            hosts.by_labels.insert(labels(&name), position);
            hosts.of_listener[listener].push(position);
            hosts.list.push(Host {
                hostname: hostname.clone(),
                name,
                listener,
            });
        }
        hosts
    }

    /// The virtual hosts in order.
    pub fn list(&self) -> &[Host] {
        &self.list
    }

    /// Positions of the hosts that a route serves which belongs to `bound`, positions of listeners.
    ///
    /// Without hostnames it serves the hosts of its listeners, but of a listener for all hosts only
    /// the one that is left over: hosts that others name are not shared with it. With hostnames it
    /// serves what they contain, wherever one of its listeners contains that too.
    pub fn served(
        &self,
        hostnames: &[Hostname],
        bound: &[usize],
        listeners: &[Arc<Listener>],
    ) -> SmallVec<[usize; 1]> {
        let mut served = SmallVec::new();
        if hostnames.is_empty() {
            for listener in bound {
                match listeners[*listener].hostname {
                    Hostname::Any => served.extend(self.by_name.get("*").copied()),
                    _ => served.extend(self.of_listener[*listener].iter().copied()),
                }
            }
        }
        for hostname in hostnames {
            served.extend(self.contained_in(hostname).into_iter().filter(|host| {
                let host = &self.list[*host].hostname;
                bound
                    .iter()
                    .any(|listener| listeners[*listener].hostname.contains(host))
            }));
        }
        served.sort_unstable();
        served.dedup();
        served
    }

    fn contained_in(&self, hostname: &Hostname) -> Vec<usize> {
        match hostname {
            Hostname::Any => (0..self.list.len()).collect(),
            Hostname::Exact(_) => self
                .by_name
                .get(hostname.to_string().as_str())
                .copied()
                .into_iter()
                .collect(),
            Hostname::Wildcard(_) => {
                // `com.example.*` becomes `com.example.`, which all that it contains begin with.
                let mut from = labels(&hostname.to_string());
                from.pop();
                self.by_labels
                    .range::<str, _>((Bound::Included(from.as_str()), Bound::Unbounded))
                    .take_while(|(labels, _)| labels.starts_with(&from))
                    .map(|(_, position)| *position)
                    .collect()
            }
        }
    }
}

/// Those of a route's hostnames that ask for a virtual host: a part of what one of its listeners takes.
pub fn named<'a>(
    hostnames: &'a [Hostname],
    bound: &'a [usize],
    listeners: &'a [Arc<Listener>],
) -> impl Iterator<Item = &'a Hostname> {
    let covered = |hostname: &&Hostname| {
        bound
            .iter()
            .any(|listener| listeners[*listener].hostname.contains(hostname))
    };
    hostnames.iter().filter(covered)
}

/// `a.example.com` as `com.example.a`.
fn labels(name: &str) -> String {
    name.rsplit('.').collect::<Vec<_>>().join(".")
}
