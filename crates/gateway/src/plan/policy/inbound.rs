//! What requests to a member get, by who sends them.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use portolan_model::tags::{ANY, Rank, SERVICE, Tags};

use super::{FaultInjection, OfKind, Policies, Policy, RateLimit, matching, service};

/// The policies for requests to an inbound. Of each kind, the first that takes the sender counts.
#[derive(Clone, Debug, Default)]
pub struct OnInbound {
    /// How many requests are taken.
    pub rate_limits: Vec<BySender<RateLimit>>,
    /// What goes wrong on purpose.
    pub faults: Vec<BySender<FaultInjection>>,
}

/// A policy, and the selectors by which it takes senders; those between which no other policy comes.
#[derive(Clone, Debug)]
pub struct BySender<C> {
    /// Tags of senders; any one of these suffices.
    pub senders: Vec<Tags>,
    /// What requests get.
    pub policy: Arc<Policy<C>>,
}

impl Policies {
    /// What the proxy of an inbound with these tags does with requests; nothing where who sends them does it.
    pub fn on_inbound(&self, tags: &Tags) -> OnInbound {
        let service = tags.get(SERVICE).map_or("", String::as_str);
        if !self.place.is_at_member(service) {
            return OnInbound::default();
        }
        OnInbound {
            rate_limits: self.rate_limit.by_sender(tags),
            faults: self.fault_injection.by_sender(tags),
        }
    }
}

impl<C> OfKind<C> {
    /// Those for an inbound with these tags, in the order in which one is chosen for a sender.
    fn by_sender(&self, tags: &Tags) -> Vec<BySender<C>> {
        let of_service = tags.get(SERVICE).map_or("", String::as_str);
        let named = [of_service, ANY].into_iter();
        let named = named
            .filter_map(|service| self.by_service.get(service))
            .flatten();
        // One whose destinations name the service and all of them is there twice.
        let candidates: BTreeMap<_, _> = named
            .map(|policy| (policy.scope.author.name().clone(), policy))
            .collect();
        let mut ranked: Vec<(Rank, &Tags, &Arc<Policy<C>>)> = Vec::new();
        for policy in candidates.into_values() {
            if let Some(to) = matching::best(&policy.scope.destinations, tags) {
                let senders = policy.scope.sources.iter();
                ranked.extend(
                    senders.map(|sender| (Rank::of(sender) + Rank::of(to), sender, policy)),
                );
            }
        }
        ranked.sort_by_key(|(rank, _, policy)| (Reverse(*rank), &policy.scope.author));
        // Nobody is left for those behind one that takes everybody.
        let last = ranked
            .iter()
            .position(|(_, sender, _)| takes_everybody(sender));
        ranked.truncate(last.map_or(usize::MAX, |last| last + 1));
        let mut all: Vec<BySender<C>> = Vec::new();
        for (_, sender, policy) in ranked {
            match all.last_mut() {
                Some(before) if Arc::ptr_eq(&before.policy, policy) => {
                    before.senders.push(sender.clone());
                }
                _ => all.push(BySender {
                    senders: vec![sender.clone()],
                    policy: policy.clone(),
                }),
            }
        }
        all
    }
}

fn takes_everybody(selector: &Tags) -> bool {
    service(selector) == ANY && selector.keys().all(|name| name == SERVICE)
}

/// Equal if they are the same policies in the same versions.
impl PartialEq for OnInbound {
    fn eq(&self, other: &Self) -> bool {
        same(&self.rate_limits, &other.rate_limits) && same(&self.faults, &other.faults)
    }
}

fn same<C>(one: &[BySender<C>], other: &[BySender<C>]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| {
            Arc::ptr_eq(&one.policy, &other.policy) && one.senders == other.senders
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn tags(text: &str) -> Tags {
        let pairs = text.split(',').map(|pair| pair.split_once('=').unwrap());
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn one_that_asks_for_nothing_but_a_service_takes_everybody() {
        for (selector, expected) in [
            (Tags::new(), true),
            (tags("kuma.io/service=*"), true),
            (tags("kuma.io/service=edge"), false),
            (tags("kuma.io/service=*,version=*"), false),
        ] {
            assert_eq!(takes_everybody(&selector), expected, "{selector:?}");
        }
    }
}
