//! The zone's side: one connection to a global at a time, with all streams on it.

mod streams;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use backon::{BackoffBuilder, ExponentialBuilder};
use portolan_proto::status::ZoneStatus;
use portolan_store::Store;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info, info_span, warn};

pub use crate::connect::Keepalive;
use crate::{connect::Address, encode::Encoder, names::Side};

/// A connection that lived so long was a good one: the next attempt comes soon.
const HEALTHY: Duration = Duration::from_secs(10);

/// What a zone needs to follow its global.
#[derive(Clone)]
pub struct ZoneConfig {
    /// Its name.
    pub zone: String,
    /// Addresses of the global, `grpcs://HOST:PORT` or `grpc://HOST:PORT`; tried in turn.
    pub globals: Vec<String>,
    /// For `grpcs://`.
    pub tls: Arc<rustls::ClientConfig>,
    /// The file with the zone's token, read anew for each connection; `None` where the global asks for none.
    pub token_file: Option<PathBuf>,
    /// Identity of this process.
    pub instance_id: String,
    /// Where what the global sends goes, and what the global gets.
    pub store: Arc<dyn Store>,
    /// What the zone reports of its proxies: the newest only.
    pub status: watch::Receiver<ZoneStatus>,
    /// Told whether there is a connection to a global.
    pub connected: watch::Sender<bool>,
    /// Largest message in bytes, each way. Kuma's default is 10 MiB.
    pub max_message_bytes: usize,
    /// How a connection that has died in silence is found.
    pub keepalive: Keepalive,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self {
            // A Kuma global ends connections that are tried more often than each 15 s.
            interval: Duration::from_secs(20),
            timeout: Duration::from_secs(5),
        }
    }
}

/// Why a zone cannot follow its global at all.
#[derive(Debug, thiserror::Error)]
pub enum ZoneError {
    /// No address, or one that is none.
    #[error("{0:?} is not the address of a global: give it as grpcs://HOST:5685")]
    Address(String),
}

/// Follows the global until cancelled: connects, and connects again.
///
/// # Errors
/// [`ZoneError`] when the configuration cannot lead anywhere.
pub async fn run(config: ZoneConfig, cancel: CancellationToken) -> Result<(), ZoneError> {
    let addresses = addresses(&config)?;
    let encoder = Encoder::new(Side::Zone(config.zone.clone()));
    let mut delays = backoff();
    for (url, address) in config.globals.iter().zip(&addresses).cycle() {
        let start = Instant::now();
        let span = info_span!("sync", zone = config.zone, global = url);
        let session = streams::session(&config, &encoder, address).instrument(span);
        let ended = tokio::select! {
            ended = session => ended,
            () = cancel.cancelled() => return Ok(()),
        };
        config.connected.send_replace(false);
        let reason = ended
            .err()
            .map_or_else(|| "it ended the stream".to_owned(), |e| e.to_string());
        if start.elapsed() > HEALTHY {
            delays = backoff();
            info!(global = url, reason, "lost the global; connecting again");
        } else {
            warn!(
                global = url,
                reason, "cannot follow the global; trying again"
            );
        }
        let delay = delays.next().unwrap_or(HEALTHY);
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = cancel.cancelled() => return Ok(()),
        }
    }
    Ok(())
}

fn addresses(config: &ZoneConfig) -> Result<Vec<Address>, ZoneError> {
    if config.globals.is_empty() {
        return Err(ZoneError::Address(String::new()));
    }
    let address = |url: &String| {
        Address::parse(url, config.keepalive).ok_or_else(|| ZoneError::Address(url.clone()))
    };
    config.globals.iter().map(address).collect()
}

fn backoff() -> backon::ExponentialBackoff {
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(30))
        .without_max_times()
        .build()
}
