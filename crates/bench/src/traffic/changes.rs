//! What one changed route costs an Envoy.

use std::time::{Duration, Instant};

use anyhow::Context;

use super::contestant::Contestant;
use crate::{figures::Times, process::Cpu, routes::SERVICES};

/// How often an Envoy is looked at until it rests.
const LOOK: Duration = Duration::from_millis(20);
/// What a resting Envoy may use between two looks.
const REST: Duration = Duration::from_micros(500);

/// What changes cost.
#[derive(Debug, Default)]
pub(crate) struct Costs {
    /// Until Envoy said that it has the change.
    pub(crate) taken: Times,
    /// CPU that it used for it, with what it did afterwards.
    pub(crate) cpu: Times,
}

/// Changes the route in the middle of the table so many times.
pub(crate) async fn measure(
    contestant: &mut Contestant,
    route: usize,
    count: usize,
) -> anyhow::Result<Costs> {
    let pid = contestant.pid()?;
    let driver = contestant.driver.as_mut().context("not an Envoy")?;
    let mut costs = Costs::default();
    rest(pid).await?;
    for change in 0..count {
        let service = SERVICES[(route + change + 1) % SERVICES.len()];
        driver.configuration.lead(route, service)?;
        let snapshot = driver.configuration.snapshot()?;
        let (before, start) = (Cpu::of(pid)?, Instant::now());
        driver.control.give(snapshot).await?;
        costs.taken.add(start.elapsed());
        rest(pid).await?;
        costs.cpu.add(Cpu::of(pid)?.since(&before));
    }
    // As it was, so that whoever measures next finds what it expects.
    driver
        .configuration
        .lead(route, SERVICES[route % SERVICES.len()])?;
    driver
        .control
        .give(driver.configuration.snapshot()?)
        .await?;
    rest(pid).await.map(|()| costs)
}

/// Waits until a process does nothing.
async fn rest(pid: u32) -> anyhow::Result<()> {
    loop {
        let before = Cpu::of(pid)?;
        tokio::time::sleep(LOOK).await;
        if Cpu::of(pid)?.since(&before) < REST {
            return Ok(());
        }
    }
}
