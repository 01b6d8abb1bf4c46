//! What a token says about its holder. The names are Kuma's.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize};

/// A data plane's token. What is empty is not restricted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DataplaneClaims {
    /// Name of the one Dataplane that may use it.
    #[serde(default)]
    pub name: String,
    /// Mesh that the Dataplane must be in. Always present, which tells these tokens from others.
    pub mesh: String,
    /// For each tag, the values that the Dataplane may have; it must have one of them at least.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub tags: BTreeMap<String, BTreeSet<String>>,
    /// `dataplane`, `ingress` or `egress`. Always present, which tells these tokens from others.
    #[serde(rename = "Type")]
    pub proxy_type: String,
    /// Value of the label `kuma.io/workload`.
    #[serde(default)]
    pub workload: String,
}

/// A zone's token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ZoneClaims {
    /// Name of the zone; empty for any.
    pub zone: String,
    /// What it may be used for: `ingress`, `egress`, `cp`.
    #[serde(deserialize_with = "null_is_empty")]
    pub scope: Vec<String>,
}

/// A user's token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UserClaims {
    /// Name of the user.
    pub name: String,
    /// Groups that the user is in.
    #[serde(deserialize_with = "null_is_empty")]
    pub groups: Vec<String>,
}

/// A token's content: who holds it, and the claims that all tokens have (seconds since 1970).
#[derive(Serialize, Deserialize)]
pub(super) struct Content<C> {
    #[serde(flatten)]
    pub(super) claims: C,
    pub(super) exp: i64,
    #[serde(default)]
    pub(super) nbf: i64,
    #[serde(default)]
    pub(super) iat: i64,
    #[serde(default)]
    pub(super) jti: String,
}

/// Go writes an empty map or list as `null`.
fn null_is_empty<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
