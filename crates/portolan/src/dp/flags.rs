//! What all data planes are told: the zone, the token, and how to run Envoy.

use std::{fs, io::Read, path::PathBuf, time::Duration};

use anyhow::Context;
use clap::Args;
use portolan_identity::{Secret, tls::Trust};

use super::InstallArgs;
use crate::server::duration;

/// The zone, and how to be let in.
#[derive(Args, Clone, Debug)]
pub(super) struct ZoneArgs {
    /// The zone's data plane port
    #[arg(long, env = "PORTOLAN_ZONE", value_name = "URL")]
    pub(super) zone: String,

    /// CA certificate (PEM) of the zone [default: the system's]
    #[arg(long, env = "PORTOLAN_ZONE_CA", value_name = "FILE")]
    ca_cert: Option<PathBuf>,

    /// Does not verify the zone's certificate: for trials only
    #[arg(long, env = "PORTOLAN_ZONE_INSECURE", conflicts_with = "ca_cert")]
    insecure: bool,

    /// File with the data plane's token
    #[arg(long, env = "PORTOLAN_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// The token itself; a file is safer, because other users may see arguments
    #[arg(
        long,
        env = "PORTOLAN_TOKEN",
        hide_env_values = true,
        conflicts_with = "token_file"
    )]
    token: Option<String>,
}

impl ZoneArgs {
    /// Whom to believe that it is the zone.
    pub(super) fn trust(&self) -> anyhow::Result<Trust> {
        Ok(match (&self.ca_cert, self.insecure) {
            (_, true) => Trust::Insecure,
            (Some(path), _) => Trust::Authority(read(path)?),
            (None, _) => Trust::System,
        })
    }

    /// The token, if there is one.
    pub(super) fn token(&self) -> anyhow::Result<Option<Secret>> {
        Ok(match (&self.token_file, &self.token) {
            (Some(path), _) => Some(Secret::from(read(path)?.trim().to_owned())),
            (None, token) => token.clone().map(Secret::from),
        })
    }
}

/// How Envoys run.
#[derive(Args, Clone, Debug)]
pub(super) struct EnvoyArgs {
    #[command(flatten)]
    pub(super) install: InstallArgs,

    /// How long open connections may take to end when an Envoy stops
    #[arg(long, env = "PORTOLAN_DRAIN_TIME", default_value = "30s", value_parser = duration::parse)]
    pub(super) drain_time: Duration,

    /// How long of that an Envoy takes new connections at least: more than the load balancer before it needs
    /// to notice that /readyz fails
    #[arg(long, env = "PORTOLAN_DRAIN_DELAY", default_value = "0s", value_parser = duration::parse)]
    pub(super) drain_delay: Duration,

    /// Worker threads of an Envoy [default: one for each processor]
    #[arg(long, env = "PORTOLAN_CONCURRENCY", value_name = "COUNT")]
    pub(super) concurrency: Option<u32>,

    /// What Envoy logs
    #[arg(
        long,
        env = "PORTOLAN_ENVOY_LOG_LEVEL",
        default_value = "warning",
        value_name = "LEVEL"
    )]
    pub(super) envoy_log_level: String,
}

/// A file, or with `-` standard input.
pub(super) fn read(path: &PathBuf) -> anyhow::Result<String> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read standard input")?;
        return Ok(text);
    }
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
