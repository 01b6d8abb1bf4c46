//! Certificates with their keys, as a Secret brings them.

use portolan_model::certificate::Bundle;

/// Whatever is read as a bundle is written so that it is read as the same again.
pub fn check(bytes: &[u8]) {
    let Ok(bundle) = Bundle::parse(bytes) else {
        return;
    };
    for pair in bundle.pairs() {
        let written = pair.chain_pem() + &pair.key_pem();
        let again = Bundle::parse(written.as_bytes()).expect("what was written");
        assert!(again.pairs() == [pair.clone()]);
    }
}
