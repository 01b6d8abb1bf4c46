//! What a peer says about itself in the node of its first request.

use std::collections::BTreeSet;

use portolan_model::{Kind, Revision};
use portolan_proto::{
    discovery::Node,
    well_known::{ListValue, Struct, Value, value::Kind as Json},
};
use portolan_store::Watermark;

/// Announced by peers of our own: they understand pages and resume.
const FEATURE: &str = "portolan-resume";
/// Where a peer of our own says what it holds: `STORE` and `REVISION`.
const RESUME: &str = "portolan-resume";
/// Where a peer of our own says which kinds it is going to ask for: before it has asked for the last,
/// no response brings it up to any revision.
const KINDS: &str = "portolan-kinds";
/// Announced by zones that want names with a hash.
const HASH_SUFFIX: &str = "hash-suffix";
/// What a Kuma 2.14 zone announces, as far as it is true of us.
const FEATURES: [&str; 3] = ["zone-token", HASH_SUFFIX, FEATURE];

/// A peer as the sender needs to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Understands pages and progress.
    pub(crate) is_portolan: bool,
    /// Wants names with a hash.
    pub(crate) hash_suffix: bool,
    /// What it holds already.
    pub(crate) holds: Option<Watermark>,
    /// The kinds that it is going to ask for, empty if it does not say.
    pub(crate) kinds: BTreeSet<String>,
    /// Its version, empty if it does not say.
    pub(crate) version: String,
    /// Identity of its process, empty if it does not say.
    pub(crate) instance_id: String,
}

impl Peer {
    /// Reads the node.
    pub(crate) fn of(node: &Node) -> Self {
        let Some(metadata) = &node.metadata else {
            return Self::default();
        };
        let features = list(metadata, "features");
        let has = |feature: &str| features.iter().any(|announced| announced == feature);
        let version = object(metadata, "version").and_then(|version| object(version, "kumaCp"));
        Self {
            is_portolan: has(FEATURE),
            hash_suffix: has(HASH_SUFFIX),
            holds: object(metadata, RESUME).and_then(holds),
            kinds: list(metadata, KINDS).into_iter().collect(),
            version: version
                .map(|version| text(version, "version"))
                .unwrap_or_default(),
            instance_id: text(metadata, "control-plane-id"),
        }
    }
}

fn holds(resume: &Struct) -> Option<Watermark> {
    let revision: Revision = text(resume, "revision").parse().ok()?;
    Some(Watermark {
        store_id: text(resume, "store"),
        revision,
    })
}

/// The node that we show: who we are, what we are going to ask for, and what we hold.
pub(crate) fn node(
    name: &str,
    instance_id: &str,
    kinds: impl Iterator<Item = Kind>,
    holds: Option<&Watermark>,
) -> Node {
    let kinds: Vec<&str> = kinds.map(Kind::name).collect();
    let version = structure([("version", string(env!("CARGO_PKG_VERSION")))]);
    let mut fields = vec![
        ("config", string("")),
        ("control-plane-id", string(instance_id)),
        ("features", strings(&FEATURES)),
        (KINDS, strings(&kinds)),
        ("version", value(structure([("kumaCp", value(version))]))),
    ];
    if let Some(holds) = holds {
        let revision = string(&holds.revision.to_string());
        let resume = structure([("store", string(&holds.store_id)), ("revision", revision)]);
        fields.push((RESUME, value(resume)));
    }
    Node {
        id: name.to_owned(),
        metadata: Some(structure(fields)),
        ..Node::default()
    }
}

fn structure<'a>(fields: impl IntoIterator<Item = (&'a str, Value)>) -> Struct {
    let fields = fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    Struct {
        fields: fields.collect(),
    }
}

fn value(structure: Struct) -> Value {
    Value {
        kind: Some(Json::StructValue(structure)),
    }
}

fn string(text: &str) -> Value {
    Value {
        kind: Some(Json::StringValue(text.to_owned())),
    }
}

pub(crate) fn strings(texts: &[&str]) -> Value {
    let values = texts.iter().map(|text| string(text)).collect();
    Value {
        kind: Some(Json::ListValue(ListValue { values })),
    }
}

fn field<'a>(structure: &'a Struct, name: &str) -> Option<&'a Json> {
    structure.fields.get(name)?.kind.as_ref()
}

fn text(structure: &Struct, name: &str) -> String {
    match field(structure, name) {
        Some(Json::StringValue(text)) => text.clone(),
        _ => String::new(),
    }
}

fn object<'a>(structure: &'a Struct, name: &str) -> Option<&'a Struct> {
    match field(structure, name)? {
        Json::StructValue(object) => Some(object),
        _ => None,
    }
}

fn list(structure: &Struct, name: &str) -> Vec<String> {
    let Some(Json::ListValue(list)) = field(structure, name) else {
        return Vec::new();
    };
    list.values
        .iter()
        .filter_map(|value| match &value.kind {
            Some(Json::StringValue(text)) => Some(text.clone()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use portolan_model::kinds;

    use super::*;

    #[test]
    fn a_peer_of_our_own_is_recognized() {
        let holds = Watermark {
            store_id: "s".to_owned(),
            revision: 7,
        };
        let kinds = [kinds::MESH, kinds::MESH_GATEWAY];
        let peer = Peer::of(&node("zone-1", "vm-1", kinds.into_iter(), Some(&holds)));
        assert!(peer.is_portolan && peer.hash_suffix);
        assert_eq!(peer.holds, Some(holds));
        assert_eq!(
            peer.kinds,
            ["Mesh", "MeshGateway"].map(str::to_owned).into()
        );
        assert_eq!(peer.instance_id, "vm-1");
        assert_eq!(peer.version, env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn a_zone_of_kuma_is_read_as_it_says() {
        let kuma = structure([
            ("config", string("{}")),
            ("control-plane-id", string("kuma-1")),
            ("features", strings(&["zone-token", "hash-suffix"])),
            (
                "version",
                value(structure([(
                    "kumaCp",
                    value(structure([("version", string("2.14.3"))])),
                )])),
            ),
        ]);
        let node = Node {
            id: "zone-1".to_owned(),
            metadata: Some(kuma),
            ..Node::default()
        };
        let expected = Peer {
            hash_suffix: true,
            version: "2.14.3".to_owned(),
            instance_id: "kuma-1".to_owned(),
            ..Peer::default()
        };
        assert_eq!(Peer::of(&node), expected);
    }

    #[test]
    fn what_is_missing_or_of_another_type_says_nothing() {
        let wrong = structure([
            ("features", string("portolan-resume")),
            (RESUME, string("7")),
            ("version", strings(&["2.14.3"])),
        ]);
        let nodes = [
            Node::default(),
            Node {
                metadata: Some(wrong),
                ..Node::default()
            },
        ];
        for node in nodes {
            assert_eq!(Peer::of(&node), Peer::default());
        }
        let no_number = structure([("store", string("s")), ("revision", string("many"))]);
        assert_eq!(holds(&no_number), None);
    }
}
