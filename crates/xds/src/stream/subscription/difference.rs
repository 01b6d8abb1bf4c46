//! What a proxy lacks of a snapshot, and what it has too much.

use std::{collections::BTreeSet, sync::Arc};

use super::{Elsewhere, Makes, Mode, Resource, Resources, Subscription};

impl Subscription {
    /// What is to be sent to bring the proxy to these resources.
    pub(in crate::stream) fn makes(
        &mut self,
        current: &Arc<Resources>,
        elsewhere: impl Fn(&str) -> Elsewhere,
    ) -> Makes {
        if self
            .made
            .as_ref()
            .is_some_and(|made| Arc::ptr_eq(made, current))
        {
            return Makes::default();
        }
        self.refused.retain(|name, version| {
            current
                .get(name)
                .is_none_or(|resource| resource.version == *version)
        });
        let mut makes = Makes {
            greeting: self.greet,
            ..Makes::default()
        };
        makes.resources.extend(self.changed(current));
        let mut waits = false;
        self.owed.retain(|name| {
            if current.contains_key(name) {
                return true;
            }
            match elsewhere(name) {
                Elsewhere::There(resource) => makes.resources.push((Arc::clone(name), resource)),
                Elsewhere::Later => waits = true,
                // State of the world has no word for it.
                Elsewhere::Nowhere if self.mode == Mode::StateOfTheWorld => {
                    self.absent.insert(Arc::clone(name));
                    return false;
                }
                Elsewhere::Nowhere => makes.missing.push(Arc::clone(name)),
            }
            true
        });
        for name in self
            .absent
            .iter()
            .filter(|name| !current.contains_key(*name))
        {
            if let Elsewhere::There(resource) = elsewhere(name) {
                makes.resources.push((Arc::clone(name), resource));
            }
        }
        if let Some(caution) = &self.caution {
            caution.limit(&mut makes.resources);
        }
        if makes.is_empty() && !waits {
            self.made = Some(Arc::clone(current));
            self.caution = None;
        }
        makes
    }

    /// What is wanted, and not held in that version or owed. Both sides are in order, so it is one walk.
    fn changed<'a>(
        &'a self,
        current: &'a Resources,
    ) -> impl Iterator<Item = (Arc<str>, Resource)> + 'a {
        let mut held = self.held.iter().peekable();
        current.iter().filter_map(move |(name, resource)| {
            while held.next_if(|(earlier, _)| *earlier < name).is_some() {}
            let held = held
                .next_if(|(same, _)| *same == name)
                .map(|(_, held)| held);
            let owed = !self.owed.is_empty() && self.owed.contains(name);
            let wanted = match held {
                Some(held) => owed || held.version != resource.version,
                None => owed || self.interest.wants(name),
            };
            if !wanted {
                return None;
            }
            if self.refused.get(name) != Some(&resource.version) {
                return Some((Arc::clone(name), resource.clone()));
            }
            // What was refused is not sent again; who asks gets the last good one.
            let held = held.filter(|_| owed)?;
            let body = held.body.clone()?;
            Some((
                Arc::clone(name),
                Resource {
                    version: Arc::clone(&held.version),
                    body,
                },
            ))
        })
    }

    /// What the proxy holds and should not; but not, unless `brought`, what it has brought from an earlier
    /// stream.
    pub(in crate::stream) fn gone(
        &mut self,
        current: &Arc<Resources>,
        brought: bool,
    ) -> Vec<Arc<str>> {
        if self
            .broken
            .as_ref()
            .is_some_and(|broken| Arc::ptr_eq(broken, current))
        {
            return Vec::new();
        }
        let mut there = current.keys().peekable();
        let mut gone: Vec<_> = self
            .held
            .iter()
            .filter(|(name, _)| {
                while there.next_if(|earlier| earlier < name).is_some() {}
                there.next_if(|same| same == name).is_none()
            })
            .collect();
        if gone.is_empty() && self.uncertain.is_empty() {
            self.broken = Some(Arc::clone(current));
        }
        gone.retain(|(_, held)| brought || held.body.is_some());
        // The proxy may have taken some of a response that it refused.
        let perhaps = self
            .uncertain
            .iter()
            .filter(|name| !current.contains_key(*name));
        let gone: BTreeSet<_> = gone
            .into_iter()
            .map(|(name, _)| name)
            .chain(perhaps)
            .collect();
        gone.into_iter().cloned().collect()
    }
}
