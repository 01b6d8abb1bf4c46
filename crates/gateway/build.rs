//! Describes Envoy's messages, by which values in ProxyTemplates are read: compiles the `.proto` files that
//! come with the package of the generated types into one descriptor set.

use std::{
    collections::BTreeSet,
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use prost::Message;
use protox::file::{File, FileResolver, GoogleFileResolver, IncludeFileResolver};

/// Parts of Envoy's API that are no configuration of a proxy.
const NO_CONFIGURATION: [&str; 3] = ["envoy/admin/", "envoy/data/", "envoy/watchdog/"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../../Cargo.lock");
    let root = proto_folder()?;
    let includes = fs::read_dir(&root)?.collect::<Result<Vec<_>, _>>()?;
    let includes: Vec<PathBuf> = includes.iter().map(fs::DirEntry::path).collect();
    // One of the packages keeps its files one folder deeper.
    let deeper = root.join("cel-spec/proto");
    let includes = includes.into_iter().chain([deeper]);
    let includes: Vec<PathBuf> = includes.filter(|path| path.is_dir()).collect();
    let api = root.join("data-plane-api");
    let mut files = Vec::new();
    proto_files(&api, &api, &mut files)?;
    files.sort();
    let includes = includes.into_iter().map(IncludeFileResolver::new);
    let mut compiler = protox::Compiler::with_file_resolver(Spelled(includes.collect()));
    compiler.include_imports(true).include_source_info(false);
    compiler.open_files(files)?;
    let descriptors = compiler.file_descriptor_set();
    let out = PathBuf::from(env::var("OUT_DIR")?).join("envoy.bin");
    fs::write(out, descriptors.encode_to_vec())?;
    Ok(())
}

/// Finds files, and spells out names that another compiler would read otherwise.
///
/// To protoc a name such as `common.…` means the nearest package of that name that the file itself imports,
/// to protox the nearest that it knows.
struct Spelled(Vec<IncludeFileResolver>);

impl FileResolver for Spelled {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let found = self
            .0
            .iter()
            .find_map(|include| include.open_file(name).ok());
        let Some(file) = found else {
            return GoogleFileResolver::new().open_file(name);
        };
        match file.source() {
            Some(source) if name.starts_with("envoy/") => File::from_source(name, &spelled(source)),
            _ => Ok(file),
        }
    }
}

/// With the whole names of what it imports, where they begin below `envoy` or `envoy.extensions`.
fn spelled(source: &str) -> String {
    let imports = source.split("import \"envoy/").skip(1);
    let folders = imports.filter_map(|rest| rest.split('"').next()?.rsplit_once('/'));
    let packages: BTreeSet<_> = folders
        .map(|(folder, _)| folder.replace('/', "."))
        .collect();
    packages.iter().fold(source.to_owned(), |source, package| {
        let short = package.strip_prefix("extensions.").unwrap_or(package);
        let full = format!(" .envoy.{package}.");
        let source = source.replace(&format!(" {package}."), &full);
        source.replace(&format!(" {short}."), &full)
    })
}

fn proto_files(api: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.strip_prefix(api)?.display().to_string();
        if path.is_dir() {
            proto_files(api, &path, files)?;
        } else if name.ends_with(".proto")
            && name.starts_with("envoy/")
            && !NO_CONFIGURATION.iter().any(|part| name.starts_with(part))
        {
            files.push(name.into());
        }
    }
    Ok(())
}

/// The `proto` folder of the package that the types are generated from: where cargo unpacks packages, or
/// wherever else it says. It is asked second, for it wants to see packages that only tests need.
fn proto_folder() -> Result<PathBuf, Box<dyn Error>> {
    let manifest_dir = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let lock = fs::read_to_string(manifest_dir.join("../../Cargo.lock"))?;
    let locked = lock.split("name = \"envoy-types\"\nversion = \"").nth(1);
    let version = locked.and_then(|rest| rest.split('"').next());
    let version = version.ok_or("Cargo.lock has no envoy-types")?;
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(env::home_dir()?.join(".cargo")));
    let registries = home.and_then(|home| fs::read_dir(home.join("registry/src")).ok());
    let unpacked = registries.into_iter().flatten().flatten();
    let mut unpacked =
        unpacked.map(|registry| registry.path().join(format!("envoy-types-{version}/proto")));
    match unpacked.find(|folder| folder.is_dir()) {
        Some(folder) => Ok(folder),
        None => told_by_cargo(&manifest_dir),
    }
}

fn told_by_cargo(manifest_dir: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let output = Command::new(env::var("CARGO")?)
        .args(["metadata", "--format-version", "1"])
        // Packages for other platforms need not be there.
        .args(["--filter-platform", &env::var("TARGET")?])
        .arg("--manifest-path")
        .arg(manifest_dir.join("Cargo.toml"))
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let mut types = packages.filter(|package| package["name"] == "envoy-types");
    let manifest = types
        .next()
        .and_then(|package| package["manifest_path"].as_str());
    let manifest = Path::new(manifest.ok_or("the package envoy-types is missing")?);
    Ok(manifest.with_file_name("proto"))
}
