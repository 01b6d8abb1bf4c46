//! Names that sync gives to resources, so that those of several origins never meet.

use std::hash::Hasher;

use fnv::FnvHasher;

/// Letters of a hash: no vowels, so that no words arise.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// Longest part of the name that is kept before the hash.
const MAX_NAME: usize = 236;

/// The name that a resource has on the other side of KDS: its display name and a hash of what identifies
/// it. `zone` and `namespace` are the values of its labels `kuma.io/zone` and `k8s.kuma.io/namespace`.
pub fn hashed_name(
    mesh: &str,
    display_name: &str,
    zone: Option<&str>,
    namespace: Option<&str>,
) -> String {
    let mut hasher = FnvHasher::default();
    for part in [Some(mesh), Some(display_name), zone, namespace]
        .into_iter()
        .flatten()
    {
        hasher.write(part.as_bytes());
    }
    let digits = format!("{:016x}", hasher.finish());
    let hash: String = digits
        .bytes()
        .map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()]))
        .collect();
    let mut end = display_name.len().min(MAX_NAME);
    while !display_name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}-{hash}", &display_name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_kuma_gives() {
        let cases = [
            ("t", None, "t-fdz944892fv4vfc2"),
            ("r", None, "r-fdz955892fv4vx28"),
            ("edge-gateway", None, "edge-gateway-x7d7z4729b7688d4"),
            ("api-1", Some("zone-1"), "api-1-459fz76v78dx449x"),
        ];
        for (name, zone, expected) in cases {
            assert_eq!(hashed_name("default", name, zone, None), expected);
        }
    }
}
