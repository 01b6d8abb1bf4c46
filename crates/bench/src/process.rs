//! CPU and memory of a process, from `/proc`.

use std::{fs, time::Duration};

use anyhow::Context;
use portolan_sandbox::Process;

/// Clock ticks a second in `/proc/PID/stat`; 100 on every Linux that Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process has used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// User and system time since its start.
    pub(crate) cpu: Duration,
    /// Resident memory now, in MiB.
    pub(crate) resident_mib: f64,
}

/// Reads it.
pub(crate) fn usage(process: &Process) -> anyhow::Result<Usage> {
    let pid = process.pid().context("the process has ended")?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field, the name, is in parentheses and may contain spaces.
    let after_name = stat.rsplit_once(')').context("unexpected /proc stat")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|value| value.split_whitespace().next())
        .context("no VmRSS in /proc status")?
        .parse()?;
    Ok(Usage {
        cpu: Duration::from_secs_f64(ticks / TICKS_PER_SECOND),
        resident_mib: kib / 1024.0,
    })
}
