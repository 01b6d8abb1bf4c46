//! Requests through the gateways.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

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
    let url = format!("http://{zone}:{PORT}{path}");
    let answer = client.get(&url).header("host", HOST).send().await?;
    let status = answer.status();
    let service = answer
        .headers()
        .get("x-echo-service")
        .and_then(|name| name.to_str().ok());
    Ok(service.map(str::to_owned).ok_or(status.as_u16()))
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
