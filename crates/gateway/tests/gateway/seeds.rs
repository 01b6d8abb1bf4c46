//! What the fuzzers start from: their checks must hold without a fuzzer as well.

#![allow(unreachable_pub)] // The checks are shared with the fuzzers, where they are public.

#[path = "../../../../fuzz/src/certificate.rs"]
mod certificate;
#[path = "../../../../fuzz/src/hostname_and_regex.rs"]
mod hostname_and_regex;
#[path = "../../../../fuzz/src/json.rs"]
mod json;
#[path = "../../../../fuzz/src/wire.rs"]
mod wire;

use std::{fs, path::Path};

/// Takes one input and panics if anything is wrong.
type Check = fn(&[u8]);

#[test]
fn seeds_hold() {
    let targets: [(&str, Check); 4] = [
        ("certificate", certificate::check),
        ("hostname_and_regex", hostname_and_regex::check),
        ("json", json::check),
        ("wire", wire::check),
    ];
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    for (target, check) in targets {
        let files: Vec<_> = fs::read_dir(seeds.join(target)).unwrap().collect();
        assert!(files.len() > 2, "{target}");
        for file in files {
            check(&fs::read(file.unwrap().path()).unwrap());
        }
    }
}
