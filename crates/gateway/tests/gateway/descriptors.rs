//! Envoy's messages as readable text, by the descriptors of the `.proto` files that come with the
//! generated types.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::Value as Json;
use serde_norway::{Mapping, Value};

use crate::certificates::word_for;

/// What a gateway's configuration is made of; the rest comes by import.
const FILES: [&str; 18] = [
    "envoy/config/cluster/v3/cluster.proto",
    "envoy/config/endpoint/v3/endpoint.proto",
    "envoy/config/listener/v3/listener.proto",
    "envoy/config/route/v3/route.proto",
    "envoy/extensions/compression/gzip/compressor/v3/gzip.proto",
    "envoy/extensions/filters/http/compressor/v3/compressor.proto",
    "envoy/extensions/filters/http/header_mutation/v3/header_mutation.proto",
    "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto",
    // Behind the one before, whose `common` would else be the package that this one imports.
    "envoy/extensions/filters/http/fault/v3/fault.proto",
    "envoy/extensions/filters/http/router/v3/router.proto",
    "envoy/extensions/filters/http/upstream_codec/v3/upstream_codec.proto",
    "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto",
    "envoy/extensions/filters/network/direct_response/v3/config.proto",
    "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto",
    "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto",
    "envoy/extensions/transport_sockets/tls/v3/tls.proto",
    "envoy/extensions/upstreams/http/v3/http_protocol_options.proto",
    "envoy/service/runtime/v3/rtds.proto",
];

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let root = proto_folder();
    let includes = std::fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let includes: Vec<PathBuf> = includes.filter(|path| path.is_dir()).collect();
    let matching = "envoy/type/matcher/v3/http_inputs.proto";
    let mut compiler = protox::Compiler::new(includes).unwrap();
    compiler.include_imports(true);
    compiler
        .open_files(FILES.iter().chain([&matching]))
        .unwrap();
    compiler.descriptor_pool()
});

/// The `proto` folder of the package that the types are generated from.
fn proto_folder() -> PathBuf {
    // Packages for other platforms are not there to be described without network.
    let platform = run(Command::new("rustc").args(["--print", "host-tuple"]));
    let metadata = run(Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline"])
        .args(["--filter-platform", platform.trim()])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ]));
    let metadata: Json = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages
        .iter()
        .find(|package| package["name"] == "envoy-types")
        .unwrap();
    let manifest = Path::new(package["manifest_path"].as_str().unwrap());
    manifest.parent().unwrap().join("proto")
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A message as YAML, fields in the order of their numbers, what is in an `Any` spelled out, words in the
/// place of certificates.
pub(crate) fn readable(type_url: &str, body: &[u8]) -> Value {
    let name = type_url.rsplit('/').next().unwrap();
    let descriptor = POOL.get_message_by_name(name).expect("a known message");
    let message = DynamicMessage::decode(descriptor, body).unwrap();
    tidy(serde_norway::to_value(&message).unwrap(), false)
}

/// Sorts maps, which have no order of their own; fields have. Keys of certificates differ from run to run.
fn tidy(value: Value, is_map: bool) -> Value {
    match value {
        Value::Mapping(mapping) => {
            let mut entries: Vec<_> = mapping.into_iter().collect();
            if is_map {
                entries.sort_by_key(|(key, _)| key.as_str().map(str::to_owned));
            }
            let sorted: Mapping = entries
                .into_iter()
                .map(|(key, value)| {
                    let name = key.as_str().unwrap_or_default();
                    let map = name.contains(['.', '/'])
                        || ["map", "filterMetadata", "layer", "typedPerFilterConfig"]
                            .contains(&name);
                    (key, tidy(value, map))
                })
                .collect();
            Value::Mapping(sorted)
        }
        Value::Sequence(items) => {
            Value::Sequence(items.into_iter().map(|item| tidy(item, false)).collect())
        }
        Value::String(text) => match word_for(&text) {
            Some(word) => word.into(),
            None => text.into(),
        },
        other => other,
    }
}
