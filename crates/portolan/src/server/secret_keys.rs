//! The keys that encrypt secrets at rest: given, or made once in the data folder.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use portolan_identity::files::{self, Access};
use portolan_store::{SecretKey, SecretKeys};

/// Keys as text, for those who would rather not have a file.
const VARIABLE: &str = "PORTOLAN_SECRET_KEY";
/// The self-made key, in the data folder.
const FILE: &str = "secret.key";

/// Keys from outside.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SecretKeyFiles {
    /// File with the keys that encrypt secrets in the store: 32 bytes in base64, one a line, the newest
    /// first; repeated for more. The environment variable PORTOLAN_SECRET_KEY takes the keys themselves
    /// [default: secret.key in the data folder, made at the first start]
    #[arg(
        long = "secret-key-file",
        env = "PORTOLAN_SECRET_KEY_FILE",
        value_delimiter = ',',
        value_name = "FILE"
    )]
    pub(crate) secret_key_files: Vec<PathBuf>,
}

impl SecretKeyFiles {
    /// The keys, newest first.
    ///
    /// # Errors
    /// When a file cannot be read or has something else in it; no message has a part of a key.
    pub(crate) fn load(&self, data_dir: &Path) -> anyhow::Result<SecretKeys> {
        let text = env::var(VARIABLE).unwrap_or_default();
        collect(&self.secret_key_files, &text, data_dir)
    }
}

/// A self-made key goes on decrypting when others are given, so that one can move on from it.
fn collect(given: &[PathBuf], text: &str, data_dir: &Path) -> anyhow::Result<SecretKeys> {
    let mut keys = parse(text, VARIABLE)?;
    if !keys.is_empty() && !given.is_empty() {
        bail!("--secret-key-file and {VARIABLE} are both set: give the keys in one of them");
    }
    for path in given {
        let text = files::read_private(path)?
            .with_context(|| format!("{} does not exist (--secret-key-file)", path.display()))?;
        let of_file = parse(&text, &path.display().to_string())?;
        if of_file.is_empty() {
            bail!("{} has no key (--secret-key-file)", path.display());
        }
        keys.extend(of_file);
    }
    let own = data_dir.join(FILE);
    if keys.is_empty() {
        create(&own)?;
    }
    if let Some(text) = files::read_private(&own)? {
        keys.extend(parse(&text, &own.display().to_string())?);
    }
    let Some((first, older)) = keys.split_first() else {
        bail!("{} has no key: restore it from a backup", own.display());
    };
    Ok(SecretKeys::new(first, older))
}

/// Makes a key if there is none.
fn create(path: &Path) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        files::create_dir(folder)?;
    }
    if !path.exists() {
        let key = SecretKey::generate().context("the system gives no random numbers")?;
        files::write_new(path, &(key.expose() + "\n"), Access::Private)?;
    }
    Ok(())
}

/// Keys that stand on lines of their own or between commas.
fn parse(text: &str, place: &str) -> anyhow::Result<Vec<SecretKey>> {
    let texts = text.split(['\n', ',']).map(str::trim);
    texts
        .filter(|text| !text.is_empty())
        .enumerate()
        .map(|(position, text)| {
            text.parse()
                .with_context(|| format!("key {} in {place} is not usable", position + 1))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    const KEY: &str = "b25lIG9mIHRoZSBrZXlzIHRoYXQgdGVzdHMgdXNlLi4=";

    fn count(keys: &SecretKeys) -> String {
        format!("{keys:?}")
    }

    #[test]
    fn a_key_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        assert_eq!(
            count(&collect(&[], "", &data).unwrap()),
            "SecretKeys(1 hidden)"
        );
        let file = data.join(FILE);
        let first = fs::read(&file).unwrap();
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        collect(&[], "", &data).unwrap();
        assert_eq!(fs::read(&file).unwrap(), first);
        // It still opens what it closed once others are given.
        assert_eq!(
            count(&collect(&[], KEY, &data).unwrap()),
            "SecretKeys(2 hidden)"
        );
    }

    #[test]
    fn keys_come_from_files_or_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let file = folder.path().join("keys");
        fs::write(&file, format!("{KEY}\n\n{KEY}\n")).unwrap();
        let files = [file.clone(), file.clone()];
        assert_eq!(
            count(&collect(&files, "", &data).unwrap()),
            "SecretKeys(4 hidden)"
        );
        let several = format!("{KEY},{KEY}");
        assert_eq!(
            count(&collect(&[], &several, &data).unwrap()),
            "SecretKeys(2 hidden)"
        );
        assert!(!data.exists(), "no key was needed");

        let both = collect(&files, KEY, &data).unwrap_err();
        assert!(both.to_string().contains("in one of them"), "{both}");
        fs::write(&file, "not-the-key-you-look-for").unwrap();
        let error = format!("{:#}", collect(&files, "", &data).unwrap_err());
        assert!(
            error.contains("key 1 in") && error.contains("openssl rand"),
            "{error}"
        );
        assert!(!error.contains("look-for"), "{error}");
        assert!(collect(&[folder.path().join("none")], "", &data).is_err());
    }
}
