//! What a token is for, and the secrets that its keys and revocations are kept in. The names are Kuma's.

use portolan_model::{ResourceKey, kinds};

/// What a token is for. Each has signing keys of its own, so that none can pass for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose<'a> {
    /// Data planes of a mesh.
    Dataplane {
        /// The mesh.
        mesh: &'a str,
    },
    /// Zones.
    Zone,
    /// Users.
    User,
}

impl Purpose<'_> {
    /// As messages call the tokens.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dataplane { .. } => "data plane",
            Self::Zone => "zone",
            Self::User => "user",
        }
    }

    /// The secret with the signing key of a serial number, which is also the key's id in tokens.
    pub fn signing_key(self, serial: &str) -> ResourceKey {
        self.secret(format!("{}-{serial}", self.prefix()))
    }

    /// The secret with the public half of a signing key, where the private one does not come: zones get that of zones'
    /// tokens.
    pub fn public_key(self, serial: &str) -> ResourceKey {
        let prefix = self.prefix().replace("signing-key", "signing-public-key");
        self.secret(format!("{prefix}-{serial}"))
    }

    /// The secret with the ids of revoked tokens, between commas.
    pub fn revocations(self) -> ResourceKey {
        self.secret(match self {
            Self::Dataplane { mesh } => format!("dataplane-token-revocations-{mesh}"),
            Self::Zone => "zone-token-revocations".to_owned(),
            Self::User => "user-token-revocations".to_owned(),
        })
    }

    /// The serial number of a secret that holds a signing key.
    pub(crate) fn serial(self, name: &str) -> Option<u64> {
        let serial = name.strip_prefix(&self.prefix())?.strip_prefix('-')?;
        is_serial(serial).then(|| serial.parse().ok()).flatten()
    }

    fn prefix(self) -> String {
        match self {
            Self::Dataplane { mesh } => format!("dataplane-token-signing-key-{mesh}"),
            Self::Zone => "zone-token-signing-key".to_owned(),
            Self::User => "user-token-signing-key".to_owned(),
        }
    }

    fn secret(self, name: String) -> ResourceKey {
        match self {
            Self::Dataplane { mesh } => ResourceKey::in_mesh(kinds::SECRET, mesh, name),
            Self::Zone | Self::User => ResourceKey::global(kinds::GLOBAL_SECRET, name),
        }
    }
}

/// Whether a key's id is a serial number: other ids would name other secrets.
pub(crate) fn is_serial(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_have_kumas_names() {
        let mesh = Purpose::Dataplane { mesh: "default" };
        let cases = [
            (
                mesh,
                "dataplane-token-signing-key-default-2",
                "dataplane-token-revocations-default",
            ),
            (
                Purpose::Zone,
                "zone-token-signing-key-2",
                "zone-token-revocations",
            ),
            (
                Purpose::User,
                "user-token-signing-key-2",
                "user-token-revocations",
            ),
        ];
        for (purpose, key, revocations) in cases {
            assert_eq!(*purpose.signing_key("2").name, *key);
            assert_eq!(*purpose.revocations().name, *revocations);
            assert_eq!(purpose.serial(key), Some(2));
            assert_eq!(purpose.serial(revocations), None);
        }
        assert_eq!(&*mesh.signing_key("1").mesh, "default");
        let public = Purpose::Zone.public_key("2");
        assert_eq!(&*public.name, "zone-token-signing-public-key-2");
        for name in [
            "dataplane-token-signing-key-default",
            "dataplane-token-signing-key-default-x-1",
            "dataplane-token-signing-key-default-+1",
        ] {
            assert_eq!(mesh.serial(name), None, "{name}");
        }
    }
}
