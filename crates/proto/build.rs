//! Compiles `proto/` with protox, so that no system `protoc` is needed.

use std::{env, error::Error, fs, path::Path, path::PathBuf};

use prost::Message;

/// What must not be printed; `src/lib.rs` gives it a `Debug` without its content.
const HIDDEN: [&str; 2] = [
    ".kuma.system.v1alpha1.Secret",
    ".kuma.system.v1alpha1.DataSource",
];

/// The well-known types that are our own, and all others; the longest path that fits is taken.
const WELL_KNOWN: [(&str, &str); 7] = [
    (".google.protobuf.Duration", "crate::well_known::Duration"),
    (
        ".google.protobuf.FloatValue",
        "crate::well_known::FloatValue",
    ),
    (".google.protobuf.ListValue", "crate::well_known::ListValue"),
    (".google.protobuf.Struct", "crate::well_known::Struct"),
    (".google.protobuf.Value", "crate::well_known::Value"),
    (".google.protobuf.Timestamp", "crate::well_known::Timestamp"),
    (".google.protobuf", "::pbjson_types"),
];

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
        .enable_type_names()
        .skip_debug(HIDDEN);
    for (protobuf, rust) in WELL_KNOWN {
        config.extern_path(protobuf, rust);
    }
    tonic_prost_build::configure().compile_fds_with_config(descriptors.clone(), config)?;

    let mut json = pbjson_build::Builder::new();
    json.register_descriptors(&descriptors.encode_to_vec())?
        .btree_map(["."])
        .ignore_unknown_fields();
    for (protobuf, rust) in WELL_KNOWN {
        json.extern_path(protobuf, rust);
    }
    json.build(&JSON_PACKAGES)?;
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
