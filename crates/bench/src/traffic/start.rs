//! How long a new instance takes from its start to its first answer.

use std::{path::Path, time::Duration};

use anyhow::ensure;
use portolan_sandbox::{Gateway, Sandbox};

use super::site::Site;
use crate::{
    client::Connection,
    figures::{Grid, Times},
    routes::{self, HOST, SERVICES},
};

/// Instances started, one after the other.
const STARTS: usize = 7;
/// Longest time that one may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Steps of a start, each from its beginning.
#[derive(Default)]
struct Steps {
    bootstrap: Times,
    admin: Times,
    first: Times,
}

/// Starts instances of a gateway with so many routes.
pub(crate) async fn run(sandbox: &Sandbox, sizes: &[usize]) -> anyhow::Result<Grid> {
    let mut grid = Grid::new(&[
        "from the start of `portolan dp run`, ms min / median / p99",
        "Envoy's configuration is written",
        "Envoy runs",
        "first answer",
    ]);
    for &size in sizes {
        let site = Site::start(sandbox, &format!("start-{size}"), routes::gateway).await?;
        site.fill(size).await?;
        let mut steps = Steps::default();
        for number in 0..STARTS {
            let name = format!("start-{size}-{number}");
            let mut gateway = site.instance(&name).await?;
            let folder = sandbox.folder().join(&name);
            watch(&site, &mut gateway, &folder, size, &mut steps).await?;
            gateway.process.stop().await?;
        }
        let times = [steps.bootstrap, steps.admin, steps.first].map(|times| times.summary());
        let mut row = vec![format!("{size} routes")];
        row.extend(times);
        grid.row(row);
    }
    Ok(grid)
}

async fn watch(
    site: &Site<'_>,
    gateway: &mut Gateway,
    folder: &Path,
    size: usize,
    steps: &mut Steps,
) -> anyhow::Result<()> {
    let start = gateway.started;
    let (mut bootstrap, mut admin) = (false, false);
    loop {
        gateway.process.check()?;
        let elapsed = start.elapsed();
        if !bootstrap && folder.join("envoy.yaml").exists() {
            bootstrap = true;
            steps.bootstrap.add(elapsed);
        }
        if !admin && gateway.admin.exists() {
            admin = true;
            steps.admin.add(elapsed);
        }
        if answers(site, size).await {
            steps.first.add(start.elapsed());
            return Ok(());
        }
        ensure!(elapsed < LIMIT, "{} does not answer", gateway.name);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn answers(site: &Site<'_>, size: usize) -> bool {
    let Ok(mut connection) = Connection::open(site.listener, HOST).await else {
        return false;
    };
    let answer = connection.get(&routes::path(size - 1)).await;
    answer.is_ok_and(|answer| answer.service.as_deref() == Some(SERVICES[0]))
}
