//! Compiles `proto/` with protox, so that no system `protoc` is needed.

use std::{env, error::Error, fs, path::Path, path::PathBuf};

use prost::Message;

/// What must not be printed; `src/lib.rs` gives it a `Debug` without its content.
const HIDDEN: [&str; 1] = [".kuma.system.v1alpha1.Secret"];

/// The one well-known type that is our own.
const TIMESTAMP: (&str, &str) = (".google.protobuf.Timestamp", "crate::well_known::Timestamp");

/// Packages whose messages have a proto3 JSON form.
const JSON_PACKAGES: [&str; 3] = [
    ".kuma.mesh.v1alpha1",
    ".kuma.system.v1alpha1",
    ".portolan.v1",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    proto_files(&root, &mut files)?;
    files.sort();

    let descriptors = protox::compile(&files, [&root])?;

    let mut config = prost_build::Config::new();
    config
        .bytes(["."])
        // Ordered maps make the encoding of equal values equal, so bytes can be compared and hashed.
        .btree_map(["."])
        .compile_well_known_types()
        .extern_path(TIMESTAMP.0, TIMESTAMP.1)
        .extern_path(".google.protobuf", "::pbjson_types")
        .enable_type_names()
        .skip_debug(HIDDEN);
    tonic_prost_build::configure().compile_fds_with_config(descriptors.clone(), config)?;

    pbjson_build::Builder::new()
        .register_descriptors(&descriptors.encode_to_vec())?
        .extern_path(TIMESTAMP.0, TIMESTAMP.1)
        .extern_path(".google.protobuf", "::pbjson_types")
        .btree_map(["."])
        .ignore_unknown_fields()
        .build(&JSON_PACKAGES)?;
    Ok(())
}

fn proto_files(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            proto_files(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            files.push(path);
        }
    }
    Ok(())
}
