//! What the demo shows of mutual TLS: a member that its gateway reaches and a stranger does not, and a
//! permission that denies.

use std::time::Instant;

use anyhow::{bail, ensure};

use super::{
    fleet::Fleet,
    resources::{FOR_OTHERS, PORT, SECURE},
    say::Say,
    steps::{LIMIT, command},
    traffic,
};

/// Starts a mesh with mutual TLS, and tries to get to its member.
pub(crate) async fn connect_by_mutual_tls(fleet: &mut Fleet, say: &Say) -> anyhow::Result<()> {
    say.step("Connecting a gateway with a member of a mesh by mutual TLS, in zone-1");
    let folder = fleet.sandbox.folder().to_owned();
    std::fs::write(folder.join("secure.yaml"), SECURE)?;
    command(fleet, say, "apply -f secure.yaml --wait").await?;
    let member = fleet.add_member("secure").await?;
    let (front, back) = (member.front, member.back);
    let client = traffic::client()?;
    traffic::until_answered_by(&client, front, "/", "bank", LIMIT).await?;
    say.row(&format!("curl {front}:{PORT}/"), "gateway → member → bank");
    let stranger = client.get(format!("http://{back}/")).send().await;
    ensure!(stranger.is_err(), "a stranger reached {back}: {stranger:?}");
    say.row(&format!("curl {back}/"), "a stranger → member: refused");

    std::fs::write(folder.join("for-others.yaml"), FOR_OTHERS)?;
    command(fleet, say, "apply -f for-others.yaml --wait").await?;
    until_denied(&client, front).await?;
    say.row(
        &format!("curl {front}:{PORT}/"),
        "503: no TrafficPermission is for the gateway any more",
    );
    command(fleet, say, "apply -f secure.yaml --wait").await?;
    traffic::until_answered_by(&client, front, "/", "bank", LIMIT).await?;
    say.row(&format!("curl {front}:{PORT}/"), "gateway → member → bank");
    Ok(())
}

async fn until_denied(client: &reqwest::Client, gateway: std::net::IpAddr) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        let answer = traffic::ask(client, gateway, "/").await?;
        if answer == Err(503) {
            return Ok(());
        }
        if start.elapsed() > LIMIT {
            bail!("the member should refuse its gateway, but {answer:?} came");
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
