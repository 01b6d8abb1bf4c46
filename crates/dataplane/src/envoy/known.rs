//! What an Envoy said of its version when it was asked the last time. Its binary is large: to ask it takes
//! as long as it takes Envoy to start, so an instance would start in nearly twice the time.

use std::{fs, path::Path, time::UNIX_EPOCH};

use portolan_identity::files::{self, Access};

use super::{Envoy, EnvoyError, Version, version};

/// Name of the file in the cache folder: the binary and how it was, and what it said, each in a line.
const FILE: &str = "envoy-version";

/// The version of a binary; it is asked unless it is the one that was asked last. Without a cache folder it
/// is always asked.
pub(super) async fn ask(path: &Path, cache: Option<&Path>) -> Result<Envoy, EnvoyError> {
    let file = cache.map(|cache| cache.join(FILE));
    let state = state(path);
    if let (Some(file), Some(state)) = (&file, &state)
        && let Ok(Some(known)) = files::read(file)
        && let Some((of, said)) = known.split_once('\n')
        && of == state
        && let Some(version) = Version::parse(said)
    {
        return Ok(Envoy {
            path: path.to_owned(),
            version,
        });
    }
    let envoy = version::ask(path).await?;
    if let (Some(file), Some(state)) = (&file, &state)
        && cache.is_some_and(Path::is_dir)
    {
        let known = format!("{state}\nversion: {}\n", envoy.version.build);
        // A folder that cannot be written to costs time alone.
        let _ = files::write(file, &known, Access::Private);
    }
    Ok(envoy)
}

/// What differs when another binary is put in its place.
fn state(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!(
        "{} {} {}",
        metadata.len(),
        modified.as_nanos(),
        fs::canonicalize(path).ok()?.display()
    ))
}
