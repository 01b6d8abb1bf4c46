//! GlobalSecret: what control planes need and nobody else may see, such as keys that sign tokens.

use std::borrow::Cow;

use bytes::Bytes;
use prost::Message;

use super::secret;
use crate::{
    certificate,
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
const SIGNING_KEYS: [&str; 2] = ["user-token-signing-key", ZONE_KEY];
/// Signs the tokens of zones; zones get its public half, by which they know their ingresses and egresses.
const ZONE_KEY: &str = "zone-token-signing-key";
/// As Kuma calls that half.
const ZONE_PUBLIC_KEY: &str = "zone-token-signing-public-key";

/// Whether a zone's secret of this name is its global's to write.
pub fn comes_from_global(name: &str) -> bool {
    !STAY.contains(&name) && !SIGNING_KEYS.iter().any(|key| name.starts_with(key))
}

/// What zones call a secret of the global; `None` if they do not get it.
pub fn name_in_zones(name: &str) -> Option<Cow<'_, str>> {
    if let Some(serial) = zone_key_serial(name) {
        return Some(format!("{ZONE_PUBLIC_KEY}-{serial}").into());
    }
    // What zones know by these names is made from the signing keys.
    let is_made = name.starts_with(ZONE_PUBLIC_KEY);
    (comes_from_global(name) && !is_made).then(|| name.into())
}

/// What zones get of a secret of the global that [they get](name_in_zones); `None` if it is not what it should be.
pub fn spec_in_zones(name: &str, spec: &Bytes) -> Option<Bytes> {
    if zone_key_serial(name).is_none() {
        return Some(spec.clone());
    }
    let private = proto::system::Secret::decode(spec.clone()).ok()?.data?;
    let public = certificate::rsa_public_key_pem(&private.value)?;
    let data = proto::well_known::BytesValue {
        value: public.into_bytes().into(),
    };
    let public = proto::system::Secret { data: Some(data) };
    Some(public.encode_to_vec().into())
}

fn zone_key_serial(name: &str) -> Option<&str> {
    let serial = name.strip_prefix(ZONE_KEY)?.strip_prefix('-')?;
    let is_serial = !serial.is_empty() && serial.bytes().all(|byte| byte.is_ascii_digit());
    is_serial.then_some(serial)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_could_be_misused_stays() {
        for stays in [
            "inter-cp-ca",
            "zone-token-signing-key",
            "zone-token-signing-key-old",
            "zone-token-signing-public-key-1",
            "user-token-signing-key-12",
        ] {
            assert_eq!(name_in_zones(stays), None, "{stays}");
        }
        for travels in ["zone-token-revocations", "inter-cp-ca-of-mine"] {
            assert_eq!(name_in_zones(travels).as_deref(), Some(travels));
        }
    }

    #[test]
    fn zones_get_the_public_half_of_the_keys_of_zone_tokens() {
        let name = "zone-token-signing-key-12";
        assert_eq!(
            name_in_zones(name).as_deref(),
            Some("zone-token-signing-public-key-12")
        );
        let secret = |content: &[u8]| -> Bytes {
            let value = content.to_vec().into();
            let data = Some(proto::well_known::BytesValue { value });
            proto::system::Secret { data }.encode_to_vec().into()
        };
        let pair = rcgen::KeyPair::generate_rsa_for(
            &rcgen::PKCS_RSA_SHA256,
            rcgen::RsaKeySize::_2048,
        );
        let pair = pair.unwrap();
        let expected = proto::system::Secret::decode(
            spec_in_zones(name, &secret(pair.serialize_pem().as_bytes())).unwrap(),
        );
        let public = expected.unwrap().data.unwrap().value;
        let public = std::str::from_utf8(&public).unwrap();
        assert!(public.starts_with("-----BEGIN RSA PUBLIC KEY-----\n"));
        assert!(!public.contains("PRIVATE"));
        // The whole key is in the text: modulus and exponent, and nothing of the private half.
        assert_eq!(
            certificate::rsa_public_key_pem(pair.serialize_pem().as_bytes()).unwrap(),
            public
        );
        for broken in [&b"hunter2"[..], b"\x30\x80\xff", public.as_bytes()] {
            assert_eq!(spec_in_zones(name, &secret(broken)), None);
        }
        let other = secret(b"hunter2");
        assert_eq!(spec_in_zones("anything", &other), Some(other.clone()));
    }
}
