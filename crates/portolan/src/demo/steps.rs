//! What the demo shows, one function a step; each fails if what it shows does not hold.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::process::Command;

use super::{
    fleet::Fleet,
    resources::{GATEWAY, HOST, INSTANCE, PORT, api_route},
    say::Say,
    traffic,
};

/// Longest time that a change may need to be served.
pub(super) const LIMIT: Duration = Duration::from_secs(20);

/// Writes the gateway and its routes on the global with the CLI.
pub(crate) async fn write_once(fleet: &Fleet, say: &Say) -> anyhow::Result<()> {
    say.step("Writing a MeshGateway and two routes once, on the global");
    let file = fleet.sandbox.folder().join("gateway.yaml");
    std::fs::write(&file, GATEWAY)?;
    command(fleet, say, "apply -f gateway.yaml --wait").await?;
    say.done("every gateway instance in both zones serves it");
    Ok(())
}

/// Runs `portolan` as a user would, in the sandbox's folder.
pub(super) async fn command(fleet: &Fleet, say: &Say, arguments: &str) -> anyhow::Result<()> {
    say.command(&format!("portolan {arguments}"));
    let output = Command::new(fleet.sandbox.binary())
        .args(arguments.split(' '))
        .current_dir(fleet.sandbox.folder())
        .env("PORTOLAN_URL", fleet.global.http.base())
        .output()
        .await?;
    say.detail(&String::from_utf8_lossy(&output.stdout));
    say.detail(&String::from_utf8_lossy(&output.stderr));
    ensure!(
        output.status.success(),
        "`portolan {arguments}` ended with {}",
        output.status
    );
    Ok(())
}

/// Shows who answers in each zone.
pub(crate) async fn ask_every_zone(fleet: &Fleet, say: &Say) -> anyhow::Result<()> {
    say.step("Asking the gateways of each zone");
    let client = traffic::client()?;
    for site in &fleet.sites {
        for (path, expected) in [("/", "frontend"), ("/api", "api"), ("/api/v1", "api")] {
            traffic::until_answered_by(&client, site.address, path, expected, LIMIT).await?;
            let request = format!("curl -H 'Host: {HOST}' {}:{PORT}{path}", site.address);
            say.row(&request, &format!("{} → {expected}", site.zone.name));
        }
    }
    Ok(())
}

/// Changes a route, and measures until each zone serves the change.
pub(crate) async fn change_a_route(fleet: &Fleet, say: &Say) -> anyhow::Result<()> {
    say.step("Changing a route on the global: /api goes to frontend");
    let client = traffic::client()?;
    let path = "/meshes/default/meshgatewayroutes/api";
    for (service, remark) in [("frontend", "changed"), ("api", "changed back")] {
        fleet.global.http.put(path, &api_route(service)).await?;
        let answered = Instant::now();
        let [one, two] = [0, 1].map(|site: usize| {
            let address = fleet.sites[site].address;
            traffic::until_answered_by(&client, address, "/api", service, LIMIT)
        });
        let (one, two) = tokio::try_join!(one, two)?;
        for (site, took) in fleet.sites.iter().zip([one, two]) {
            let took = took.as_secs_f64() * 1000.0;
            say.row(
                &site.zone.name,
                &format!("/api {remark} to {service} after {took:.1} ms"),
            );
        }
        ensure!(answered.elapsed() < LIMIT, "the change took too long");
    }
    Ok(())
}

/// Scales a gateway of zone-1 to three instances and back to one while requests come.
pub(crate) async fn scale(fleet: &mut Fleet, say: &Say) -> anyhow::Result<()> {
    say.step("Scaling a gateway of zone-1 on a pool, from one instance to three and back");
    let address = fleet.add_pool().await?;
    std::fs::write(fleet.sandbox.folder().join("instance.yaml"), INSTANCE)?;
    command(fleet, say, "apply -f instance.yaml").await?;
    let scaled = fleet.global.scaled("zone-1", "edge-gateway", 1);
    scaled.await?;
    let client = traffic::client()?;
    traffic::until_answered_by(&client, address, "/api", "api", LIMIT).await?;
    say.done(&format!(
        "pool host-1 runs one instance, on {address}:{PORT}"
    ));

    let requests = traffic::Requests::start(address)?;
    for replicas in [3, 1] {
        let scale = format!("scale edge-gateway --zone zone-1 --replicas {replicas} --wait");
        command(fleet, say, &scale).await?;
        command(fleet, say, "get meshgatewayinstances").await?;
    }
    let seen = requests.stop().await;
    let slowest = seen.slowest.as_secs_f64() * 1000.0;
    let summary = format!(
        "{} requests meanwhile, each on a new connection: {} failed, the slowest took {slowest:.0} ms",
        seen.answers + seen.failures,
        seen.failures
    );
    ensure!(seen.failures == 0, "{summary}");
    say.done(&summary);
    Ok(())
}

/// Stops the global, then a zone's control plane: traffic goes on, and a new instance still starts.
pub(crate) async fn lose_the_global(fleet: &mut Fleet, say: &Say) -> anyhow::Result<()> {
    say.step("Stopping the global");
    let client = traffic::client()?;
    fleet.global.process.stop().await?;
    say.done("the global is gone");
    for site in &fleet.sites {
        traffic::until_answered_by(&client, site.address, "/api", "api", LIMIT).await?;
        say.done(&format!("{} still answers", site.zone.name));
    }

    say.step("Killing zone-1's control plane as well, and starting it from its own disk");
    fleet.sites[0].zone.process.kill().await?;
    let address = fleet.sites[0].address;
    traffic::until_answered_by(&client, address, "/api", "api", LIMIT).await?;
    say.done("zone-1's gateways answer without any control plane");
    fleet.sites[0]
        .zone
        .start()
        .await
        .context("zone-1 did not start from its disk")?;
    fleet.add_gateway(0).await?;
    let newest = fleet.sites[0]
        .gateways
        .last_mut()
        .context("no gateway was added")?;
    newest.listening(PORT).await?;
    traffic::until_answered_by(&client, address, "/api", "api", LIMIT).await?;
    say.done("a third gateway instance started in zone-1 from what its disk holds");
    fleet.global.start().await?;
    fleet.global.zones_online(&["zone-1", "zone-2"]).await?;
    say.done("the global is back, and both zones with it");
    Ok(())
}

/// What to try next.
pub(crate) fn invite(fleet: &Fleet, say: &Say) {
    say.step("Everything stays up. Try, in another terminal:");
    say.command(&format!("export PORTOLAN_URL={}", fleet.global.http.base()));
    for command in [
        "portolan status",
        "portolan get meshgatewayroutes",
        "portolan get dataplanes",
        "portolan scale edge-gateway --zone zone-1 --replicas 2 --wait",
    ] {
        say.command(command);
    }
    say.command(&format!(
        "curl -H 'Host: {HOST}' http://{}:{PORT}/api",
        fleet.sites[0].address
    ));
    say.detail("Ctrl-C stops it all.");
}
