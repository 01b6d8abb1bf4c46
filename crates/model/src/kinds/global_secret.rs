//! GlobalSecret: what control planes need and nobody else may see, such as keys that sign tokens.

use super::secret;
use crate::{
    kind::{Codec, Descriptor, Direction, Scope},
    labels::Labels,
    proto,
};

/// The registry's entry. REST has a dash in its path, as Kuma has.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "GlobalSecret",
    plural: "global-secrets",
    singular: "global-secret",
    short: "",
    scope: Scope::Global,
    direction: Direction::GlobalToZone,
    policy: false,
    read_only: false,
    keeps_name: true,
    message: "kuma.system.v1alpha1.Secret",
    codec: Codec::of_secret::<proto::system::Secret>(),
    validate: secret::validate,
    labels: |_| Labels::new(),
    in_zone: |spec, _| spec,
};

/// What only the global itself may use.
const STAY: [&str; 4] =
    ["admin-user-token", "envoy-admin-ca", "inter-cp-ca", "user-token-revocations"];
/// Keys that sign: who has one could issue tokens. Serial numbers follow.
const SIGNING_KEYS: [&str; 2] = ["user-token-signing-key", "zone-token-signing-key"];

/// Whether zones get the secret of this name.
pub fn may_travel(name: &str) -> bool {
    !STAY.contains(&name) && !SIGNING_KEYS.iter().any(|key| name.starts_with(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_misused_stays() {
        for stays in ["inter-cp-ca", "zone-token-signing-key-1", "user-token-signing-key-12"] {
            assert!(!may_travel(stays), "{stays}");
        }
        assert!(may_travel("zone-token-revocations"));
        assert!(may_travel("inter-cp-ca-of-mine"));
    }
}
