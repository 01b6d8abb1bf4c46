//! TrafficPermissions: whether a gateway may reach an external service, and whom members of a mesh with
//! mutual TLS let in.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use portolan_model::{
    Resource,
    tags::{self, ANY, Rank, Tags},
};
use portolan_proto::mesh;

use super::{entry::Author, policy::Scope};

/// All TrafficPermissions of a mesh.
#[derive(Clone, Debug, Default)]
pub struct Permissions {
    by_name: BTreeMap<Arc<str>, Arc<Scope>>,
}

/// Whether a Dataplane may reach an external service or a member of its mesh, and why.
#[derive(Clone, Copy, Debug)]
pub enum Permission<'a> {
    /// It may: the mesh has no TrafficPermission.
    Unguarded,
    /// This one lets it.
    By(&'a Scope),
    /// It may not: this one decides, and is for others.
    ForOthers(&'a Scope),
    /// It may not: none is for whom it wants to reach.
    Nobody,
}

impl Permission<'_> {
    /// Whether it may.
    pub fn is_given(&self) -> bool {
        matches!(self, Self::Unguarded | Self::By(_))
    }
}

impl Permissions {
    /// Takes over a resource of kind TrafficPermission.
    pub(super) fn insert(&mut self, resource: &Resource) {
        // Stores hold only specs that are messages of their kind.
        let Ok(spec) = resource.spec_as::<mesh::TrafficPermission>() else {
            return;
        };
        let of = |selectors: Vec<mesh::Selector>| selectors.into_iter().map(|one| one.r#match);
        let scope = Scope {
            author: Author::new(resource),
            sources: of(spec.sources).collect(),
            destinations: of(spec.destinations).collect(),
        };
        self.by_name
            .insert(resource.key.name.clone(), Arc::new(scope));
    }

    /// Forgets the TrafficPermission of this name.
    pub(super) fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    /// Whether a Dataplane with tags `source` may reach the external service with tags `destination`.
    ///
    /// One TrafficPermission decides, and its sources alone say who may.
    pub fn of(&self, source: &Tags, destination: &Tags) -> Permission<'_> {
        if self.by_name.is_empty() {
            return Permission::Unguarded;
        }
        match self.deciding(destination) {
            None => Permission::Nobody,
            Some(scope) => {
                let mut sources = scope.sources.iter();
                match sources.any(|selector| tags::matches(selector, source)) {
                    true => Permission::By(scope),
                    false => Permission::ForOthers(scope),
                }
            }
        }
    }

    /// Whether a member with tags `destination` lets one with tags `source` in, in a mesh with mutual TLS:
    /// nobody where no TrafficPermission is for it.
    pub fn between_members(&self, source: &Tags, destination: &Tags) -> Permission<'_> {
        let Some(scope) = self.deciding(destination) else {
            return Permission::Nobody;
        };
        // Certificates say what tags are; a tag that may be anything is not asked for.
        let shows = |selector: &Tags| {
            let mut asked = selector.iter().filter(|(_, value)| *value != ANY);
            asked.all(|(name, value)| source.get(name) == Some(value))
        };
        match scope.sources.iter().any(shows) {
            true => Permission::By(scope),
            false => Permission::ForOthers(scope),
        }
    }

    /// The one that decides who may reach what has the tags `destination`: that which says most about it,
    /// of equals the newest, then the first by name.
    pub fn deciding(&self, destination: &Tags) -> Option<&Scope> {
        let ranked = self.by_name.values().filter_map(|scope| {
            let matching = scope
                .destinations
                .iter()
                .filter(|selector| tags::matches(selector, destination));
            Some((matching.map(Rank::of).max()?, scope))
        });
        let decides = ranked.max_by_key(|(rank, scope)| {
            let author = &scope.author;
            (*rank, author.created(), Reverse(author.name()))
        });
        decides.map(|(_, scope)| &**scope)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;
    use portolan_model::{Labels, ResourceKey, kinds::TRAFFIC_PERMISSION, tags::SERVICE};
    use serde_json::json;

    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    /// Of name, second of creation, the service of the source, and the destination.
    type Given = (
        &'static str,
        i64,
        &'static str,
        &'static [(&'static str, &'static str)],
    );

    fn permissions(given: &[Given]) -> Permissions {
        let mut permissions = Permissions::default();
        for (name, created, source, destination) in given {
            let spec = json!({
                "sources": [{ "match": { SERVICE: source } }],
                "destinations": [{ "match": tags(destination) }],
            });
            permissions.insert(&Resource {
                key: ResourceKey::in_mesh(TRAFFIC_PERMISSION, "default", *name),
                labels: Labels::new(),
                spec: TRAFFIC_PERMISSION.spec_from_json(&spec).unwrap(),
                version: 1,
                revision: 1,
                created: Timestamp::from_second(*created).unwrap(),
                modified: Timestamp::UNIX_EPOCH,
            });
        }
        permissions
    }

    #[test]
    fn members_let_in_whoever_shows_the_tags_of_a_source() {
        let all: &[(&str, &str)] = &[(SERVICE, "*")];
        let bank: &[(&str, &str)] = &[(SERVICE, "bank")];
        let edge = tags(&[(SERVICE, "edge"), ("team", "red")]);
        let at_bank = |given: &[Given]| {
            let permissions = permissions(given);
            let permission = permissions.between_members(&edge, &tags(bank));
            permission.is_given()
        };
        assert!(!at_bank(&[]));
        assert!(!at_bank(&[("shop", 1, "*", &[(SERVICE, "shop")])]));
        assert!(at_bank(&[("all", 1, "*", all)]));
        assert!(at_bank(&[("all", 1, "edge", all)]));
        assert!(!at_bank(&[
            ("all", 1, "edge", all),
            ("bank", 1, "other", bank)
        ]));
    }

    #[test]
    fn the_most_specific_destination_decides_then_the_newest_then_the_name() {
        let all: &[(&str, &str)] = &[(SERVICE, "*")];
        let bank: &[(&str, &str)] = &[(SERVICE, "bank")];
        let v1: &[(&str, &str)] = &[(SERVICE, "bank"), ("version", "1")];
        let cases: &[(&[Given], bool, &str)] = &[
            (&[], true, ""),
            (&[("shop", 1, "*", &[(SERVICE, "shop")])], false, ""),
            (&[("all", 1, "*", all)], true, "all"),
            (&[("all", 1, "other", all)], false, "all"),
            // Whoever is named as source does not count.
            (
                &[("all", 1, "*", all), ("bank", 1, "other", bank)],
                false,
                "bank",
            ),
            (
                &[("all", 1, "edge", all), ("bank", 1, "*", bank)],
                true,
                "bank",
            ),
            (
                &[("bank", 9, "other", bank), ("v1", 1, "edge", v1)],
                true,
                "v1",
            ),
            (
                &[("v1", 1, "other", v1), ("bank", 9, "edge", bank)],
                false,
                "v1",
            ),
            (
                &[("old", 1, "other", bank), ("new", 2, "edge", bank)],
                true,
                "new",
            ),
            (
                &[("new", 2, "other", bank), ("old", 1, "edge", bank)],
                false,
                "new",
            ),
            (
                &[("b", 1, "other", bank), ("a", 1, "edge", bank)],
                true,
                "a",
            ),
        ];
        let (edge, external) = (tags(&[(SERVICE, "edge")]), tags(v1));
        for (given, expected, by) in cases {
            let permissions = permissions(given);
            let permission = permissions.of(&edge, &external);
            assert_eq!(permission.is_given(), *expected, "{given:?}");
            let decides = match permission {
                Permission::By(scope) | Permission::ForOthers(scope) => &**scope.author.name(),
                Permission::Unguarded | Permission::Nobody => "",
            };
            assert_eq!(decides, *by, "{given:?}");
        }
    }
}
