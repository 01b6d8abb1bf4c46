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

/// User and system time of a process since its start, to the nanosecond; that of threads which ended is not in it.
pub(crate) fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the list and the look.
        let Ok(stat) = fs::read_to_string(task?.path().join("schedstat")) else {
            continue;
        };
        let running = stat.split_whitespace().next().context("no schedstat")?;
        nanoseconds += running.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// The processes that a process has started and that still run.
pub(crate) fn children(pid: u32) -> anyhow::Result<Vec<u32>> {
    let mut children = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let list = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        children.extend(
            list.split_whitespace()
                .filter_map(|one| one.parse::<u32>().ok()),
        );
    }
    Ok(children)
}

/// Resident memory of a process in MiB.
pub(crate) fn resident_mib(pid: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|value| value.split_whitespace().next())
        .context("no VmRSS in /proc status")?
        .parse()?;
    Ok(kib / 1024.0)
}

/// Reads it.
pub(crate) fn usage(process: &Process) -> anyhow::Result<Usage> {
    let pid = process.pid().context("the process has ended")?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field, the name, is in parentheses and may contain spaces.
    let after_name = stat.rsplit_once(')').context("unexpected /proc stat")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(Usage {
        cpu: Duration::from_secs_f64(ticks / TICKS_PER_SECOND),
        resident_mib: resident_mib(pid)?,
    })
}
