//! The stream to the zone: joined again whenever it breaks.

use std::{error::Error, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use portolan_identity::{Secret, tls::client_config};
use portolan_kds::connect::{Address, Keepalive, connect};
use portolan_proto::status::{Assignment, PoolStatus, pool_service_client::PoolServiceClient};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status, metadata::MetadataValue};
use tracing::{info, warn};

use super::instance::Host;

/// How a zone that has died in silence is found.
const KEEPALIVE: Keepalive = Keepalive {
    interval: Duration::from_secs(5),
    timeout: Duration::from_secs(5),
};
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Shorter than a zone waits for its pools, also after its own start.
const LAST_PAUSE: Duration = Duration::from_millis(300);

/// The zone, and what goes there and comes from there.
pub(super) struct Link {
    address: Address,
    tls: Arc<rustls::ClientConfig>,
    token: Option<Secret>,
    status: watch::Receiver<PoolStatus>,
    assignments: watch::Sender<Option<Assignment>>,
    has_joined: bool,
    /// The same of the current attempt.
    is_joined: bool,
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("{}", .0.message())]
    Stream(#[from] Status),
    #[error("the zone ended the stream")]
    Ended,
}

impl Broken {
    /// What does not get better by waiting.
    fn is_final(&self) -> bool {
        match self {
            Self::Connect(reason) => reason.contains("invalid peer certificate"),
            Self::Stream(status) => matches!(
                status.code(),
                Code::Unauthenticated
                    | Code::PermissionDenied
                    | Code::InvalidArgument
                    | Code::Unimplemented
            ),
            Self::Ended => false,
        }
    }
}

impl Link {
    /// For the zone of this host.
    pub(super) fn new(
        host: &Host,
        status: watch::Receiver<PoolStatus>,
        assignments: watch::Sender<Option<Assignment>>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            address: address(&host.zone_url)?,
            tls: Arc::new(client_config(&host.trust, &["h2"])?),
            token: host.token.clone(),
            status,
            assignments,
            has_joined: false,
            is_joined: false,
        })
    }

    /// Runs until all instances have ended.
    ///
    /// # Errors
    /// When the zone refuses a pool that has never joined it. One that has joined before keeps what it runs.
    pub(super) async fn run(mut self, all_ended: CancellationToken) -> anyhow::Result<()> {
        let mut pauses = pauses();
        let mut told = String::new();
        loop {
            let broken = tokio::select! {
                broken = self.follow() => broken,
                () = all_ended.cancelled() => return Ok(()),
            };
            if broken.is_final() && !self.has_joined {
                bail!("the zone does not take this pool: {broken}");
            }
            if std::mem::take(&mut self.is_joined) {
                pauses = self::pauses();
                told.clear();
            }
            let reason = broken.to_string();
            if told != reason {
                warn!(
                    reason,
                    "not joined to the zone; keeping what runs and trying again"
                );
                told = reason;
            }
            let pause = pauses.next().unwrap_or(LAST_PAUSE);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = all_ended.cancelled() => return Ok(()),
            }
        }
    }

    async fn follow(&mut self) -> Broken {
        match self.join().await {
            Ok(()) => Broken::Ended,
            Err(broken) => broken,
        }
    }

    async fn join(&mut self) -> Result<(), Broken> {
        let channel = connect(&self.address, &self.tls)
            .await
            .map_err(|error| Broken::Connect(last_cause(&error)))?;
        let mut request = Request::new(WatchStream::new(self.status.clone()));
        if let Some(token) = &self.token {
            let mut token: MetadataValue<_> = token
                .expose()
                .parse()
                .map_err(|_| Status::unauthenticated("the token is not one"))?;
            token.set_sensitive(true);
            request.metadata_mut().insert("authorization", token);
        }
        let mut assignments = PoolServiceClient::new(channel)
            .join(request)
            .await?
            .into_inner();
        info!("joined the zone");
        (self.has_joined, self.is_joined) = (true, true);
        while let Some(assignment) = assignments.message().await? {
            self.assignments.send_replace(Some(assignment));
        }
        Ok(())
    }
}

/// The zone's data plane port, which users give as `https://HOST:5678`.
fn address(url: &str) -> anyhow::Result<Address> {
    let grpc = match url.split_once("://") {
        Some(("https", rest)) => format!("grpcs://{}", rest.trim_end_matches('/')),
        Some(("http", rest)) => format!("grpc://{}", rest.trim_end_matches('/')),
        _ => String::new(),
    };
    Address::parse(&grpc, KEEPALIVE)
        .with_context(|| format!("{url:?} is not the URL of a zone; give it as https://HOST:5678"))
}

/// The last cause says most: `connection refused`.
fn last_cause(error: &dyn Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LAST_PAUSE)
        .with_jitter()
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_named_as_for_single_data_planes() {
        for (url, is_one) in [
            ("https://zone:5678", true),
            ("https://zone:5678/", true),
            ("http://127.0.0.1:5678", true),
            ("zone:5678", false),
            ("ftp://zone", false),
            ("https://", false),
        ] {
            assert_eq!(address(url).is_ok(), is_one, "{url}");
        }
    }
}
