//! Tags and the selectors that choose by them.

use std::{collections::BTreeMap, ops::Add};

use crate::proto::mesh::Selector;

/// Tags of a Dataplane, of a listener or of a destination, ordered by name.
pub type Tags = BTreeMap<String, String>;

/// The service that an inbound offers or a gateway is.
pub const SERVICE: &str = "kuma.io/service";
/// What a service speaks: `http`, `http2`, `grpc`, `tcp`.
pub const PROTOCOL: &str = "kuma.io/protocol";
/// The zone of a Dataplane.
pub const ZONE: &str = "kuma.io/zone";
/// The mesh, where it is not the own one: among the tags of an outbound.
pub const MESH: &str = "kuma.io/mesh";
/// The value of a selector that takes any value which is present.
pub const ANY: &str = "*";

/// Whether every tag of the selector is among `tags`, with the same value or selected by [`ANY`].
pub fn matches(selector: &Tags, tags: &Tags) -> bool {
    selector.iter().all(|(name, wanted)| {
        tags.get(name)
            .is_some_and(|value| wanted == ANY || wanted == value)
    })
}

/// How specific a selector is: more tags first, then more of them exact. The greater wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    tags: usize,
    exact: usize,
}

impl Rank {
    /// The rank of one selector.
    pub fn of(selector: &Tags) -> Self {
        let exact = selector.values().filter(|value| *value != ANY).count();
        Self {
            tags: selector.len(),
            exact,
        }
    }
}

/// The rank of two selectors together, such as a policy's source and destination.
impl Add for Rank {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            tags: self.tags + other.tags,
            exact: self.exact + other.exact,
        }
    }
}

/// The highest rank among the selectors that match; `None` if none does.
pub fn best_match(selectors: &[Selector], tags: &Tags) -> Option<Rank> {
    let matching = selectors
        .iter()
        .filter(|selector| matches(&selector.r#match, tags));
    matching.map(|selector| Rank::of(&selector.r#match)).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_selector_needs_all_its_tags() {
        let dataplane = tags(&[(SERVICE, "edge"), (ZONE, "z")]);
        let cases = [
            (tags(&[]), true),
            (tags(&[(SERVICE, "edge")]), true),
            (tags(&[(SERVICE, "*")]), true),
            (tags(&[(SERVICE, "edge"), ("version", "*")]), false),
            (tags(&[(SERVICE, "other")]), false),
        ];
        for (selector, expected) in cases {
            assert_eq!(matches(&selector, &dataplane), expected, "{selector:?}");
        }
    }

    #[test]
    fn more_tags_go_before_exact_ones() {
        let two_any = Rank::of(&tags(&[("a", "*"), ("b", "*")]));
        let one_exact = Rank::of(&tags(&[("a", "1")]));
        let two_exact = Rank::of(&tags(&[("a", "1"), ("b", "2")]));
        assert!(two_any > one_exact);
        assert!(two_exact > two_any);
    }
}
