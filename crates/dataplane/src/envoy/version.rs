//! What `envoy --version` says.

use std::{path::Path, process::Stdio};

use tokio::process::Command;

use super::{Envoy, EnvoyError};

/// Version of an Envoy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// As in `1.40.0`.
    pub number: String,
    /// As in `c3b5.../1.40.0/Clean/RELEASE/BoringSSL`.
    pub build: String,
}

impl Version {
    /// Reads Envoy's answer: `envoy  version: REVISION/NUMBER/STATUS/TYPE/TLS`.
    pub(super) fn parse(output: &str) -> Option<Self> {
        let build = output.split_once("version:")?.1.trim();
        let parts: Vec<&str> = build.split('/').collect();
        let [_, number, _, _, _] = parts[..] else {
            return None;
        };
        Some(Self {
            number: number.to_owned(),
            build: build.to_owned(),
        })
    }

    /// Whether it is as new as `wanted`, patch releases aside.
    pub(super) fn is_at_least(&self, wanted: &str) -> bool {
        minor(&self.number) >= minor(wanted)
    }
}

/// Major and minor number; what cannot be read counts as old.
fn minor(number: &str) -> (u32, u32) {
    let mut parts = number
        .split(['.', '-'])
        .map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// Asks a binary for its version.
pub(super) async fn ask(path: &Path) -> Result<Envoy, EnvoyError> {
    let unusable = |reason: String| EnvoyError::Unusable {
        path: path.to_owned(),
        reason,
    };
    let output = Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| unusable(error.to_string()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    match Version::parse(&said) {
        Some(version) if output.status.success() => Ok(Envoy {
            path: path.to_owned(),
            version,
        }),
        _ => Err(unusable(format!(
            "--version ended with {} and said {said:?}",
            output.status
        ))),
    }
}
