//! What a resource is called, and how it is labelled, on the other side.

use portolan_model::{Direction, Labels, Resource, ResourceKey, labels, naming};

/// The label that Kubernetes control planes give to what they own; part of the hash.
const NAMESPACE: &str = "k8s.kuma.io/namespace";

/// Who sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The global, to a zone.
    Global,
    /// The zone of that name, to its global.
    Zone(String),
}

impl Side {
    /// Whether the resource is this side's to send.
    pub(crate) fn owns(&self, resource: &Resource) -> bool {
        let kind = resource.key.kind;
        if kind.name_elsewhere(&resource.key.name).is_none() {
            return false;
        }
        let origin = resource.labels.get(labels::ORIGIN).map(String::as_str);
        match self {
            // What the global passes on was written in a zone.
            Self::Global if kind.direction == Direction::AcrossZones => {
                origin == Some(labels::ORIGIN_ZONE)
            }
            Self::Global => kind.direction.to_zone() && origin != Some(labels::ORIGIN_ZONE),
            Self::Zone(_) => kind.direction.to_global() && origin != Some(labels::ORIGIN_GLOBAL),
        }
    }

    /// The name on the other side; `None` if it stays on this one. `hashed` is false for zones of old that do not
    /// know hashes.
    ///
    /// It follows from the key alone: of what was removed, nothing else is known.
    pub(crate) fn name(&self, key: &ResourceKey, hashed: bool) -> Option<String> {
        let (zone, hashed) = match self {
            Self::Global => (None, hashed),
            Self::Zone(zone) => (Some(zone.as_str()), true),
        };
        let name = key.kind.name_elsewhere(&key.name)?;
        // What the global passes on has the hash that its zone gave it.
        let is_passed_on = *self == Self::Global && key.kind.direction == Direction::AcrossZones;
        if key.kind.keeps_name || is_passed_on || !hashed {
            return Some(name.into_owned());
        }
        Some(naming::hashed_name(&key.mesh, &name, zone, None))
    }

    /// The labels on the other side.
    pub(crate) fn labels(&self, resource: &Resource, name: &str) -> Labels {
        let mut labels = resource.labels.clone();
        let mut set = |label: &str, value: &str| labels.insert(label.to_owned(), value.to_owned());
        match self {
            Self::Global => {
                set(labels::ORIGIN, labels::ORIGIN_GLOBAL);
            }
            Self::Zone(zone) => {
                set(labels::ORIGIN, labels::ORIGIN_ZONE);
                set(labels::ZONE, zone);
            }
        }
        let unhashed = resource.key.kind.name_elsewhere(&resource.key.name);
        if let Some(unhashed) = unhashed.filter(|unhashed| unhashed != name) {
            set(labels::DISPLAY_NAME, &unhashed);
        }
        labels
    }
}

/// `NAME.MESH`, or `NAME.` outside meshes.
pub(crate) fn wire_name(name: &str, mesh: &str) -> String {
    format!("{name}.{mesh}")
}

/// Name and mesh of a wire name. Names may contain dots, meshes may not.
pub(crate) fn from_wire(wire: &str) -> Option<(&str, &str)> {
    wire.rsplit_once('.')
}

/// Whether a zone may have given this name to a resource with these labels: nobody else's can be meant.
pub(crate) fn belongs_to_zone(name: &str, mesh: &str, labels: &Labels, zone: &str) -> bool {
    let display = labels
        .get(labels::DISPLAY_NAME)
        .map_or(name, String::as_str);
    let named_in = |namespace| name == naming::hashed_name(mesh, display, Some(zone), namespace);
    named_in(None) || labels.get(NAMESPACE).is_some_and(|it| named_in(Some(it)))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use portolan_model::{Kind, kinds};

    use super::*;

    fn labels<const N: usize>(labels: [(&str, &str); N]) -> Labels {
        labels
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    fn resource(kind: Kind, name: &str, labels: Labels) -> Resource {
        Resource {
            key: ResourceKey::in_mesh(kind, "default", name),
            labels,
            spec: Default::default(),
            version: 1,
            revision: 1,
            created: Timestamp::UNIX_EPOCH,
            modified: Timestamp::UNIX_EPOCH,
        }
    }

    fn zone() -> Side {
        Side::Zone("zone-1".to_owned())
    }

    #[test]
    fn names_are_those_that_kuma_gives() {
        let route = |name: &str| ResourceKey::in_mesh(kinds::MESH_GATEWAY_ROUTE, "default", name);
        let api = ResourceKey::in_mesh(kinds::DATAPLANE, "default", "api-1");
        let mesh = ResourceKey::global(kinds::MESH, "default");
        let cases = [
            (Side::Global, route("r"), true, "r-fdz955892fv4vx28"),
            (
                Side::Global,
                route("edge-gateway"),
                true,
                "edge-gateway-x7d7z4729b7688d4",
            ),
            (Side::Global, route("r"), false, "r"),
            (Side::Global, mesh, true, "default"),
            (zone(), api.clone(), true, "api-1-459fz76v78dx449x"),
            (zone(), api, false, "api-1-459fz76v78dx449x"),
        ];
        for (side, key, hashed, expected) in cases {
            let name = side.name(&key, hashed);
            assert_eq!(name.as_deref(), Some(expected), "{key} of {side:?}");
        }
    }

    #[test]
    fn each_side_sends_what_it_owns() {
        let from_global = labels([(labels::ORIGIN, labels::ORIGIN_GLOBAL)]);
        let from_zone = labels([(labels::ORIGIN, labels::ORIGIN_ZONE)]);
        // Kind, labels, whether the global sends it, whether a zone does.
        let cases = [
            (kinds::MESH_GATEWAY_ROUTE, Labels::new(), true, false),
            (kinds::MESH_GATEWAY_ROUTE, from_global.clone(), true, false),
            (kinds::MESH_GATEWAY_ROUTE, from_zone.clone(), false, false),
            (kinds::MESH_GATEWAY, from_zone.clone(), false, true),
            (kinds::MESH_GATEWAY, from_global, true, false),
            (kinds::DATAPLANE, from_zone, false, true),
            (kinds::ZONE_INSIGHT, Labels::new(), false, false),
        ];
        for (kind, labels, global_sends, zone_sends) in cases {
            let resource = resource(kind, "x", labels);
            assert_eq!(Side::Global.owns(&resource), global_sends, "{resource:?}");
            assert_eq!(zone().owns(&resource), zone_sends, "{resource:?}");
        }
    }

    #[test]
    fn labels_say_where_it_comes_from_and_what_its_author_called_it() {
        let route = resource(kinds::MESH_GATEWAY_ROUTE, "r", labels([("team", "a")]));
        let expected = labels([
            (labels::DISPLAY_NAME, "r"),
            (labels::ORIGIN, "global"),
            ("team", "a"),
        ]);
        assert_eq!(Side::Global.labels(&route, "r-hash"), expected);
        let api = resource(kinds::DATAPLANE, "api-1", Labels::new());
        let expected = labels([(labels::ORIGIN, "zone"), (labels::ZONE, "zone-1")]);
        assert_eq!(zone().labels(&api, "api-1"), expected);
    }

    #[test]
    fn wire_names_end_with_the_mesh() {
        let cases = [
            ("a.b.default", Some(("a.b", "default"))),
            ("default.", Some(("default", ""))),
            ("default", None),
        ];
        for (wire, expected) in cases {
            assert_eq!(from_wire(wire), expected, "{wire}");
        }
        assert_eq!(wire_name("default", ""), "default.");
    }

    #[test]
    fn a_zone_gives_no_names_but_its_own() {
        let named = |display: &str| labels([(labels::DISPLAY_NAME, display)]);
        let in_kubernetes = labels([(labels::DISPLAY_NAME, "api-1"), (NAMESPACE, "shop")]);
        let hashed = |namespace| naming::hashed_name("default", "api-1", Some("zone-1"), namespace);
        let cases = [
            (hashed(None), named("api-1"), true),
            (hashed(None), named("api-2"), false),
            (hashed(None), Labels::new(), false),
            ("api-1".to_owned(), named("api-1"), false),
            (hashed(Some("shop")), in_kubernetes.clone(), true),
            (hashed(None), in_kubernetes, true),
        ];
        for (name, labels, expected) in cases {
            let belongs = belongs_to_zone(&name, "default", &labels, "zone-1");
            assert_eq!(belongs, expected, "{name} {labels:?}");
            assert!(!belongs_to_zone(&name, "default", &labels, "zone-2"));
        }
    }

    #[test]
    fn secrets_keep_their_names_and_travel_down_unless_they_must_stay() {
        let zone = Side::Zone("east".to_owned());
        let secret = resource(kinds::SECRET, "cert", Labels::new());
        assert!(Side::Global.owns(&secret) && !zone.owns(&secret));
        assert_eq!(
            Side::Global.name(&secret.key, true).as_deref(),
            Some("cert")
        );
        let from_zone = [(labels::ORIGIN.to_owned(), labels::ORIGIN_ZONE.to_owned())];
        let of_zone = resource(kinds::SECRET, "cert", from_zone.into());
        assert!(!Side::Global.owns(&of_zone));
        for (name, travels) in [("zone-token-revocations", true), ("inter-cp-ca", false)] {
            let mut secret = resource(kinds::GLOBAL_SECRET, name, Labels::new());
            secret.key.mesh = "".into();
            assert_eq!(Side::Global.owns(&secret), travels, "{name}");
        }
    }

    #[test]
    fn the_global_passes_on_what_zones_wrote_under_the_names_that_they_gave() {
        let from_zone = labels([(labels::ORIGIN, "zone"), (labels::ZONE, "east")]);
        let mut ingress = resource(kinds::ZONE_INGRESS, "in-hash", from_zone);
        ingress.key.mesh = "".into();
        assert!(Side::Global.owns(&ingress) && zone().owns(&ingress));
        let name = Side::Global.name(&ingress.key, true);
        assert_eq!(name.as_deref(), Some("in-hash"));
        let passed_on = Side::Global.labels(&ingress, "in-hash");
        assert_eq!(passed_on[labels::ORIGIN], "global");
        assert_eq!(passed_on[labels::ZONE], "east");
        ingress.labels = passed_on;
        assert!(!zone().owns(&ingress), "it does not come back");
    }
}
