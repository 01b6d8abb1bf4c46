//! Load from `wrk`, as much as whatever is measured takes.

use std::{ffi::OsString, fs, net::SocketAddr, time::Duration};

use anyhow::{Context, bail, ensure};
use portolan_sandbox::Sandbox;
use tokio::process::Command;

use super::{
    cores::{self, OTHERS},
    table::{HEADER, Request},
};
use crate::{process::Cpu, routes::HOST};

/// Connections, each with one request at a time.
const CONNECTIONS: usize = 16;

/// Sends the requests of a file by turns, and prints in the end what has to be known.
const SCRIPT: &str = r#"
local requests = {}
function init(args)
  for line in io.lines(args[1]) do
    local path, header = line:match("^(%S+) ?(%S*)$")
    local headers = { ["Host"] = args[2] }
    if header ~= "" then headers[header] = args[3] end
    requests[#requests + 1] = wrk.format("GET", path, headers)
  end
end
local at = 0
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("\nRESULT %d %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), failed))
end
"#;

/// What came of a load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Requests in a second.
    pub(crate) rate: f64,
    /// What half of them took at most.
    pub(crate) median: Duration,
    /// What 99 of 100 took at most.
    pub(crate) p99: Duration,
    /// CPU of the measured process for one.
    pub(crate) cpu: Duration,
}

impl Outcome {
    /// `12345 / 0.80 / 1.60 / 55`: requests a second, median and p99 in ms, CPU of one in µs.
    pub(crate) fn summary(&self) -> String {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        format!(
            "{:.0} / {:.2} / {:.2} / {:.1}",
            self.rate,
            milliseconds(self.median),
            milliseconds(self.p99),
            self.cpu.as_secs_f64() * 1e6
        )
    }
}

/// Sends requests to a listener for so long, after a tenth of that to warm up. `pid` is what is measured.
pub(crate) async fn put(
    sandbox: &Sandbox,
    listener: SocketAddr,
    requests: &[Request],
    time: Duration,
    pid: u32,
) -> anyhow::Result<Outcome> {
    let script = sandbox.folder().join("load.lua");
    fs::write(&script, SCRIPT)?;
    let list = sandbox.folder().join("requests");
    let lines = requests.iter().map(|request| match request.with_header {
        true => format!("{} {}\n", request.path, HEADER.0),
        false => format!("{}\n", request.path),
    });
    fs::write(&list, lines.collect::<String>())?;
    let run = async |time: Duration| -> anyhow::Result<Vec<f64>> {
        let args: Vec<OsString> = vec![
            "-t1".into(),
            format!("-c{CONNECTIONS}").into(),
            format!("-d{}s", time.as_secs().max(1)).into(),
            "-s".into(),
            script.clone().into(),
            format!("http://{listener}/").into(),
            "--".into(),
            list.clone().into(),
            HOST.into(),
            HEADER.1.into(),
        ];
        let (binary, args) = cores::on_core("wrk".as_ref(), &args, OTHERS);
        let output = Command::new(binary).args(args).output().await;
        let output = output.context("wrk is not installed: install the package `wrk`")?;
        let told = String::from_utf8_lossy(&output.stdout);
        let Some(line) = told.lines().find_map(|line| line.strip_prefix("RESULT ")) else {
            bail!("wrk: {}", String::from_utf8_lossy(&output.stderr));
        };
        let figures = line.split(' ').map(str::parse);
        Ok(figures.collect::<Result<_, _>>()?)
    };
    run(time / 10).await?;
    let before = Cpu::of(pid)?;
    let figures = run(time).await?;
    let used = Cpu::of(pid)?.since(&before);
    let [count, micros, median, p99, failed] = figures[..] else {
        bail!("wrk said {figures:?}");
    };
    ensure!(
        failed == 0.0 && count > 0.0,
        "{failed} requests of {count} failed"
    );
    Ok(Outcome {
        rate: count / (micros / 1e6),
        median: Duration::from_secs_f64(median / 1e6),
        p99: Duration::from_secs_f64(p99 / 1e6),
        cpu: used.div_f64(count),
    })
}
