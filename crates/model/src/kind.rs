//! What differs between kinds, as one value per kind.

use std::{borrow::Cow, fmt, hash};

use bytes::Bytes;
use prost::Message;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    json,
    kinds::{GLOBAL_SECRET, KINDS, global_secret},
    labels::Labels,
    validation::Violations,
};

/// Said of a secret in JSON that cannot be read.
const UNREADABLE_SECRET: &str = "data must be text in base64";

/// Whether resources of a kind live in a mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Outside all meshes.
    Global,
    /// In one mesh, and gone with it.
    Mesh,
}

/// How resources of a kind travel between global and zones (`GlobalToZone` and `ZoneToGlobal` name
/// the side that owns them).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Stays where it was written.
    None,
    /// Written on the global, copied to every zone.
    GlobalToZone,
    /// Written in a zone, copied to the global.
    ZoneToGlobal,
    /// Either side may own some.
    Both,
    /// Written in a zone, copied to the global, and from there to the other zones.
    AcrossZones,
}

impl Direction {
    /// Whether a zone asks the global for this kind.
    pub fn to_zone(self) -> bool {
        matches!(self, Self::GlobalToZone | Self::Both | Self::AcrossZones)
    }

    /// Whether the global asks zones for this kind.
    pub fn to_global(self) -> bool {
        matches!(self, Self::ZoneToGlobal | Self::Both | Self::AcrossZones)
    }
}

/// Everything that the generic parts need to know about one kind.
#[derive(Debug)]
pub struct Descriptor {
    /// `MeshGateway`; also the KDS type URL.
    pub name: &'static str,
    /// REST collection, `meshgateways`.
    pub plural: &'static str,
    /// CLI name, `meshgateway`.
    pub singular: &'static str,
    /// CLI and KRI short name, `mgw`; empty if the kind has none.
    pub short: &'static str,
    /// Where resources of the kind live.
    pub scope: Scope,
    /// How they travel.
    pub direction: Direction,
    /// Whether it is a policy: it changes how the traffic of others is handled.
    pub policy: bool,
    /// Written by control planes alone; REST refuses writes.
    pub read_only: bool,
    /// Whether sync keeps the name as it is instead of adding a hash.
    pub keeps_name: bool,
    /// Full protobuf name of the spec.
    pub message: &'static str,
    /// The spec as functions.
    pub codec: Codec,
    /// All that is wrong with a spec in canonical encoding.
    pub validate: fn(&Bytes) -> Violations,
    /// Labels that the control plane derives from the spec, such as a Dataplane's proxy type.
    pub labels: fn(&Bytes) -> Labels,
    /// The spec as the control plane of the zone of that name completes it, such as a Dataplane's tags.
    pub in_zone: fn(Bytes, &str) -> Bytes,
}

/// Conversions of a spec that know its message type.
#[derive(Debug)]
pub struct Codec {
    secret: bool,
    from_json: fn(&Value) -> Result<Bytes, String>,
    to_json: fn(&[u8]) -> Result<Value, String>,
    canonical: fn(&[u8]) -> Result<Bytes, prost::DecodeError>,
}

impl Codec {
    /// The codec of message `T`.
    pub const fn of<T: Message + Default + Serialize + DeserializeOwned>() -> Self {
        Self {
            secret: false,
            from_json: |json| match T::deserialize(json) {
                Ok(spec) => Ok(spec.encode_to_vec().into()),
                // Read again, now with an eye on where: that takes longer, and errors are rare.
                Err(error) => Err(serde_path_to_error::deserialize::<_, T>(json)
                    .map_or_else(|with_path| with_path.to_string(), |_| error.to_string())),
            },
            to_json: |wire| {
                let spec = T::decode(wire).map_err(|error| error.to_string())?;
                let mut value = serde_json::to_value(&spec).map_err(|error| error.to_string())?;
                json::shorten_numbers(&mut value);
                Ok(value)
            },
            canonical: |wire| Ok(T::decode(wire)?.encode_to_vec().into()),
        }
    }

    /// The codec of message `T`, whose content nobody but administrators may see: see
    /// [`Kind::is_secret`].
    pub const fn of_secret<T: Message + Default + Serialize + DeserializeOwned>() -> Self {
        Self {
            secret: true,
            ..Self::of::<T>()
        }
    }
}

/// A spec that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The JSON does not fit the kind's message.
    #[error("invalid {kind} object: {reason}")]
    Json {
        /// Name of the kind.
        kind: &'static str,
        /// What the parser said.
        reason: String,
    },
    /// The bytes are not the kind's message.
    #[error("{kind} spec is not readable: {reason}")]
    Wire {
        /// Name of the kind.
        kind: &'static str,
        /// What the decoder said.
        reason: String,
    },
}

/// One of [`KINDS`]; as cheap to copy and compare as a number. Ordered by name.
#[derive(Clone, Copy)]
pub struct Kind(pub(crate) &'static Descriptor);

impl Kind {
    /// All kinds, in the order of the registry.
    pub fn all() -> impl Iterator<Item = Kind> {
        KINDS.iter().map(|descriptor| Kind(descriptor))
    }

    /// By exact name, `MeshGateway`.
    pub fn by_name(name: &str) -> Option<Kind> {
        Self::all().find(|kind| kind.name() == name)
    }

    /// By REST collection, `meshgateways`.
    pub fn by_plural(plural: &str) -> Option<Kind> {
        Self::all().find(|kind| kind.plural == plural)
    }

    /// By anything that a user may type: name, plural, singular or short name, in any case, with or
    /// without dashes.
    pub fn by_alias(alias: &str) -> Option<Kind> {
        let bare = |name: &str| name.to_ascii_lowercase().replace('-', "");
        let alias = bare(alias);
        Self::all().find(|kind| {
            [kind.name(), kind.plural, kind.singular]
                .map(bare)
                .contains(&alias)
                || (!kind.short.is_empty() && kind.short == alias)
        })
    }

    /// `MeshGateway`.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Whether specs of this kind are kept encrypted on disk, never printed, and shown to administrators
    /// alone.
    pub fn is_secret(self) -> bool {
        self.0.codec.secret
    }

    /// Whether the kind is Portolan's own: Kuma's control planes know nothing of it.
    pub fn is_own(self) -> bool {
        self.0.message.starts_with("portolan.")
    }

    /// The name under which sync gives a resource of this kind to the other side, before a hash is added; `None`
    /// if it stays.
    pub fn name_elsewhere(self, name: &str) -> Option<Cow<'_, str>> {
        if self == GLOBAL_SECRET {
            global_secret::name_in_zones(name)
        } else {
            Some(name.into())
        }
    }

    /// What sync gives of the spec of a resource that [travels](Kind::name_elsewhere); `None` if nothing.
    pub fn spec_elsewhere(self, name: &str, spec: &Bytes) -> Option<Bytes> {
        if self == GLOBAL_SECRET {
            global_secret::spec_in_zones(name, spec)
        } else {
            Some(spec.clone())
        }
    }

    /// Type URL of the spec in a protobuf `Any`.
    pub fn spec_type_url(self) -> String {
        format!("type.googleapis.com/{}", self.0.message)
    }

    /// Reads a spec from proto3 JSON. Unknown fields, and so the resource's meta fields, are skipped, and
    /// those that are null are as if they were not there.
    ///
    /// # Errors
    /// [`SpecError::Json`] with the path of the field and the parser's reason.
    pub fn spec_from_json(self, json: &Value) -> Result<Bytes, SpecError> {
        let read = self.0.codec.from_json;
        // Parsers know null for messages, not for lists and maps.
        let spec = read(json).or_else(|reason| match json::without_nulls(json) {
            Some(given) => read(&given),
            None => Err(reason),
        });
        spec.map_err(|reason| SpecError::Json {
            kind: self.name(),
            reason: if self.is_secret() {
                // The parser's own reason may quote what it read.
                UNREADABLE_SECRET.to_owned()
            } else {
                reason
            },
        })
    }

    /// The spec as proto3 JSON: an object without the resource's meta fields.
    ///
    /// # Errors
    /// [`SpecError::Wire`] when the bytes are not this kind's message.
    pub fn spec_to_json(self, spec: &[u8]) -> Result<Value, SpecError> {
        (self.0.codec.to_json)(spec).map_err(|reason| SpecError::Wire {
            kind: self.name(),
            reason,
        })
    }

    /// The canonical encoding of a spec that came over the wire.
    ///
    /// # Errors
    /// [`SpecError::Wire`] when the bytes are not this kind's message.
    pub fn spec_from_wire(self, wire: &[u8]) -> Result<Bytes, SpecError> {
        (self.0.codec.canonical)(wire).map_err(|error| SpecError::Wire {
            kind: self.name(),
            reason: error.to_string(),
        })
    }
}

impl std::ops::Deref for Kind {
    type Target = Descriptor;

    fn deref(&self) -> &Descriptor {
        self.0
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Kind {}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kind {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.name().cmp(other.name())
    }
}

impl hash::Hash for Kind {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::kinds::{MESH_GATEWAY, SECRET};

    #[test]
    fn aliases_of_users_are_found() {
        let cases = [
            ("mgw", MESH_GATEWAY),
            ("MeshGateway", MESH_GATEWAY),
            ("mesh-gateways", MESH_GATEWAY),
            ("secrets", SECRET),
            ("global-secret", GLOBAL_SECRET),
            ("globalsecrets", GLOBAL_SECRET),
        ];
        for (alias, kind) in cases {
            assert_eq!(Kind::by_alias(alias), Some(kind), "{alias}");
        }
        assert_eq!(Kind::by_alias(""), None);
    }

    #[test]
    fn the_content_of_secrets_is_in_no_message() {
        let spec = SECRET
            .spec_from_json(&json!({ "data": "aHVudGVyMg==" }))
            .unwrap();
        assert_eq!(
            SECRET.spec_to_json(&spec).unwrap(),
            json!({ "data": "aHVudGVyMg==" })
        );
        let typed: crate::proto::system::Secret = Message::decode(spec).unwrap();
        assert_eq!(format!("{typed:?}"), "Secret { (hidden) }");

        let error = SECRET
            .spec_from_json(&json!({ "data": "hunter2!" }))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid Secret object: data must be text in base64"
        );
    }
}
