//! What the demo shows of a service that only zone-2 has: it is reached from zone-1, what fails is tried
//! again, and more than a limit is refused.

use std::time::Instant;

use anyhow::ensure;

use super::{
    fleet::Fleet,
    resources::{ARCHIVE, PORT},
    say::Say,
    steps::{LIMIT, command},
    traffic,
};

/// Requests of the limit that the demo sets.
const PERMITTED: usize = 20;

/// Starts the service in zone-2, and asks for it in zone-1.
pub(crate) async fn reach_another_zone(fleet: &mut Fleet, say: &Say) -> anyhow::Result<()> {
    say.step("Reaching a member that only zone-2 has, through the gateway of zone-1");
    std::fs::write(fleet.sandbox.folder().join("archive.yaml"), ARCHIVE)?;
    command(fleet, say, "apply -f archive.yaml --wait").await?;
    let gateway = fleet.add_elsewhere("secure").await?;
    let client = traffic::client()?;
    traffic::until_answered_by(&client, gateway, "/archive", "archive", LIMIT).await?;
    let request = format!("curl {gateway}:{PORT}/archive");
    say.row(
        &request,
        "gateway in zone-1 → ingress of zone-2 → member → archive",
    );

    let start = Instant::now();
    loop {
        let mut counts = (0, 0);
        for _ in 0..PERMITTED + 5 {
            match traffic::status(&client, gateway, "/archive").await? {
                200 => counts.0 += 1,
                429 => counts.1 += 1,
                status => ensure!(start.elapsed() < LIMIT, "{request} gave {status}"),
            }
        }
        // What came before counts too, until the interval ends.
        if counts.1 > 0 && counts.0 > 2 {
            let (taken, refused) = counts;
            say.row(
                &format!("{} times", PERMITTED + 5),
                &format!("{taken} answered, though every third answer of archive fails: Retry; {refused} refused with 429: RateLimit"),
            );
            return Ok(());
        }
        ensure!(start.elapsed() < LIMIT, "no limit was seen: {counts:?}");
    }
}
