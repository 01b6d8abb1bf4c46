//! Which policy is for a connection, and which for a route: the same rules for every kind.
//!
//! Sources are matched against the tags of the listener, destinations against those of the backend. The
//! more specific wins; among equals the oldest, which every zone knows alike.

use std::{cmp::Reverse, sync::Arc};

use portolan_model::tags::{self, Rank, Tags};

use super::{Policy, Scope};
use crate::plan::destination::Destination;

/// The policy for connections from `source` to `destination`: of those with a source and a destination that
/// match, the one that says most about both together; of equals the oldest, then the first by name.
pub fn choose<'a, C: 'a>(
    policies: impl Iterator<Item = &'a Arc<Policy<C>>>,
    source: &Tags,
    destination: &Tags,
) -> Option<&'a Arc<Policy<C>>> {
    let ranked =
        policies.filter_map(|policy| Some((rank(&policy.scope, source, destination)?, policy)));
    let (_, policy) = ranked.max_by_key(|(rank, policy)| (*rank, Reverse(&policy.scope.author)))?;
    Some(policy)
}

/// The policy for a route, of those chosen for each of its backends. Requests share it, whichever backend
/// they go to: if all backends are of one service the oldest; else one that is for every service is
/// preferred, since none of the others is meant for all.
pub fn of_split<'a, C>(
    backends: impl Iterator<Item = (&'a Destination, Option<&'a Arc<Policy<C>>>)>,
) -> Option<&'a Arc<Policy<C>>> {
    let mut services = Vec::new();
    let mut chosen = Vec::new();
    for (destination, policy) in backends {
        services.push(destination.service());
        chosen.extend(policy);
    }
    let differ = services.windows(2).any(|pair| pair[0] != pair[1]);
    let ordered = chosen.into_iter().map(|policy| {
        let scope = &policy.scope;
        ((differ && !scope.is_for_all(), &scope.author), policy)
    });
    let (_, policy) = ordered.min_by_key(|(order, _)| *order)?;
    Some(policy)
}

fn rank(scope: &Scope, source: &Tags, destination: &Tags) -> Option<Rank> {
    let (from, to) = matched(scope, source, destination)?;
    Some(Rank::of(from) + Rank::of(to))
}

/// The selectors, of source and destination, by which a policy is for connections; nothing if it is not.
pub fn matched<'a>(
    scope: &'a Scope,
    source: &Tags,
    destination: &Tags,
) -> Option<(&'a Tags, &'a Tags)> {
    Some((
        best(&scope.sources, source)?,
        best(&scope.destinations, destination)?,
    ))
}

pub(super) fn best<'a>(selectors: &'a [Tags], tags: &Tags) -> Option<&'a Tags> {
    let matching = selectors
        .iter()
        .filter(|selector| tags::matches(selector, tags));
    matching.max_by_key(|selector| Rank::of(selector))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;
    use portolan_model::{Labels, Resource, ResourceKey, kinds::MESH_GATEWAY_ROUTE, tags::SERVICE};
    use portolan_proto::mesh::Selector;
    use proptest::prelude::*;

    use super::*;

    /// Of `service=api,version=1` and so on.
    fn parse(text: &str) -> Tags {
        let pairs = text.split(',').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap());
        let named = |name: &str| match name {
            "service" => SERVICE.to_owned(),
            other => other.to_owned(),
        };
        pairs
            .map(|(name, value)| (named(name), value.to_owned()))
            .collect()
    }

    fn selectors(text: &str) -> Vec<Selector> {
        let all = text.split(" or ").map(|one| Selector {
            r#match: parse(one),
        });
        all.collect()
    }

    fn policy(name: &str, age: i64, sources: &str, destinations: &str) -> Arc<Policy<()>> {
        let resource = Resource {
            key: ResourceKey::in_mesh(MESH_GATEWAY_ROUTE, "default", name),
            labels: Labels::new(),
            spec: bytes::Bytes::new(),
            version: 1,
            revision: 1,
            created: Timestamp::from_second(1_000 - age).unwrap(),
            modified: Timestamp::UNIX_EPOCH,
        };
        let (sources, destinations) = (selectors(sources), selectors(destinations));
        Arc::new(Policy::new(&resource, sources, destinations, ()))
    }

    /// Source, destination, policies as name, age, sources, destinations, and the name of the chosen one.
    type Case = (
        &'static str,
        &'static str,
        &'static [(&'static str, i64, &'static str, &'static str)],
        Option<&'static str>,
    );

    #[test]
    fn the_more_specific_wins_then_the_oldest_then_the_name() {
        let edge_to_api: &[Case] = &[
            ("service=edge", "service=api", &[], None),
            (
                "service=edge",
                "service=api",
                &[
                    ("a", 1, "service=other", "service=*"),
                    ("b", 1, "service=*", "service=web"),
                ],
                None,
            ),
            (
                "service=edge",
                "service=api",
                &[
                    ("all", 9, "service=*", "service=*"),
                    ("api", 1, "service=*", "service=api"),
                ],
                Some("api"),
            ),
            // Source and destination count together.
            (
                "service=edge",
                "service=api",
                &[
                    ("from", 2, "service=edge", "service=*"),
                    ("to", 1, "service=*", "service=api"),
                ],
                Some("from"),
            ),
            // More tags count before exact ones.
            (
                "service=edge,zone=east",
                "service=api",
                &[
                    ("tags", 1, "service=*,zone=*", "service=*"),
                    ("exact", 9, "service=edge", "service=api"),
                ],
                Some("tags"),
            ),
            // One of several selectors suffices; the best counts.
            (
                "service=edge",
                "service=api",
                &[
                    ("one", 1, "service=*", "service=web or service=api"),
                    ("all", 9, "service=*", "service=* or service=web"),
                ],
                Some("one"),
            ),
            (
                "service=edge",
                "service=api",
                &[
                    ("young", 1, "service=*", "service=*"),
                    ("old", 5, "service=*", "service=*"),
                ],
                Some("old"),
            ),
            (
                "service=edge",
                "service=api",
                &[
                    ("b", 5, "service=*", "service=*"),
                    ("a", 5, "service=*", "service=*"),
                ],
                Some("a"),
            ),
            // A destination that asks for more than the backend says is not meant.
            (
                "service=edge",
                "service=api",
                &[("v1", 1, "service=*", "service=api,version=1")],
                None,
            ),
        ];
        for (source, destination, policies, expected) in edge_to_api {
            let policies: Vec<_> = policies
                .iter()
                .map(|(name, age, from, to)| policy(name, *age, from, to))
                .collect();
            let chosen = choose(policies.iter(), &parse(source), &parse(destination));
            let chosen = chosen.map(|policy| &**policy.scope.author.name());
            assert_eq!(chosen, *expected, "{source} to {destination}: {policies:?}");
        }
    }

    #[test]
    fn a_split_prefers_what_is_for_every_service() {
        let api = policy("api", 9, "service=*", "service=api");
        let web = policy("web", 5, "service=*", "service=web");
        let all = policy("all", 1, "service=*", "service=*");
        let v1 = policy("v1", 1, "service=*", "service=api,version=1");
        let cases = [
            (
                vec![("service=api", Some(&api)), ("service=web", Some(&web))],
                Some("api"),
            ),
            (
                vec![("service=api", Some(&api)), ("service=web", Some(&all))],
                Some("all"),
            ),
            (
                vec![("service=api", None), ("service=web", Some(&web))],
                Some("web"),
            ),
            (vec![("service=api", None), ("service=web", None)], None),
            (
                vec![
                    ("service=api,version=1", Some(&v1)),
                    ("service=api", Some(&api)),
                ],
                Some("api"),
            ),
            // One service: nobody is preferred but the oldest.
            (
                vec![
                    ("service=api,version=1", Some(&all)),
                    ("service=api", Some(&api)),
                ],
                Some("api"),
            ),
            (vec![("service=api", Some(&api))], Some("api")),
        ];
        for (backends, expected) in cases {
            let destinations: Vec<_> = backends
                .iter()
                .map(|(tags, policy)| (Destination::new(parse(tags)).unwrap(), *policy))
                .collect();
            let chosen = of_split(destinations.iter().map(|(to, policy)| (to, *policy)));
            let chosen = chosen.map(|policy| &**policy.scope.author.name());
            assert_eq!(chosen, expected, "{backends:?}");
        }
    }

    proptest! {
        /// Zones learn of policies in different orders.
        #[test]
        fn the_order_of_arrival_decides_nothing(
            policies in prop::collection::vec((0..3_i64, 0..3_usize, 0..3_usize), 0..8).prop_shuffle()
        ) {
            const SOURCES: [&str; 3] = ["service=*", "service=edge", "service=edge,zone=*"];
            const DESTINATIONS: [&str; 3] = ["service=*", "service=api", "service=web"];
            let mut policies: Vec<_> = policies.iter().enumerate().map(|(number, (age, from, to))| {
                policy(&format!("p-{number}"), *age, SOURCES[*from], DESTINATIONS[*to])
            }).collect();
            let (source, destination) = (parse("service=edge,zone=east"), parse("service=api"));
            let name = |policies: &[Arc<Policy<()>>]| {
                choose(policies.iter(), &source, &destination).map(|policy| policy.scope.author.name().clone())
            };
            let before = name(&policies);
            policies.reverse();
            prop_assert_eq!(before, name(&policies));
        }
    }
}
