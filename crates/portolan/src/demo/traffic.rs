//! Requests through the gateways.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::resources::{HOST, PORT};

/// One client for all requests; every request opens a connection of its own, so that the instances of a
/// zone take turns.
pub(crate) fn client() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_secs(5))
        .build()?)
}

/// The service that answered, or the status code if none did.
pub(crate) async fn ask(
    client: &reqwest::Client,
    zone: IpAddr,
    path: &str,
) -> anyhow::Result<Result<String, u16>> {
    let answer = get(client, zone, path).await?;
    let status = answer.status();
    let service = answer
        .headers()
        .get("x-echo-service")
        .and_then(|name| name.to_str().ok());
    Ok(service.map(str::to_owned).ok_or(status.as_u16()))
}

/// The status code of an answer.
pub(crate) async fn status(
    client: &reqwest::Client,
    zone: IpAddr,
    path: &str,
) -> anyhow::Result<u16> {
    Ok(get(client, zone, path).await?.status().as_u16())
}

async fn get(
    client: &reqwest::Client,
    zone: IpAddr,
    path: &str,
) -> reqwest::Result<reqwest::Response> {
    let url = format!("http://{zone}:{PORT}{path}");
    client.get(&url).header("host", HOST).send().await
}

/// Asks until `service` answers; how long that took.
pub(crate) async fn until_answered_by(
    client: &reqwest::Client,
    zone: IpAddr,
    path: &str,
    service: &str,
    limit: Duration,
) -> anyhow::Result<Duration> {
    let start = Instant::now();
    loop {
        let answer = ask(client, zone, path).await;
        if matches!(&answer, Ok(Ok(name)) if name == service) {
            return Ok(start.elapsed());
        }
        if start.elapsed() > limit {
            let got = answer.context("the gateway does not answer")?;
            bail!("{path} in {zone} should come from {service} but came from {got:?}");
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
}

/// Clients that ask at once.
const CLIENTS: usize = 4;

/// Requests without a pause, until stopped.
pub(crate) struct Requests {
    tasks: JoinSet<Seen>,
    stop: CancellationToken,
}

/// What became of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// Answered by the service.
    pub(crate) answers: usize,
    /// Not answered, or not so.
    pub(crate) failures: usize,
    /// The longest that one took.
    pub(crate) slowest: Duration,
}

impl Requests {
    /// Asks the gateways at an address for `/api`.
    pub(crate) fn start(address: IpAddr) -> anyhow::Result<Self> {
        let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
        for _ in 0..CLIENTS {
            tasks.spawn(ask_until(client()?, address, stop.clone()));
        }
        Ok(Self { tasks, stop })
    }

    /// Stops them, and counts.
    pub(crate) async fn stop(self) -> Seen {
        self.stop.cancel();
        let all = self.tasks.join_all().await;
        all.into_iter().fold(Seen::default(), |sum, one| Seen {
            answers: sum.answers + one.answers,
            failures: sum.failures + one.failures,
            slowest: sum.slowest.max(one.slowest),
        })
    }
}

async fn ask_until(client: reqwest::Client, address: IpAddr, stop: CancellationToken) -> Seen {
    let mut seen = Seen::default();
    while !stop.is_cancelled() {
        let start = Instant::now();
        match ask(&client, address, "/api").await {
            Ok(Ok(_)) => seen.answers += 1,
            _ => seen.failures += 1,
        }
        seen.slowest = seen.slowest.max(start.elapsed());
    }
    seen
}
