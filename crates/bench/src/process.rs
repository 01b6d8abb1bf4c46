//! CPU and memory of a process, from `/proc`.

use std::{collections::HashMap, ffi::OsString, fs, time::Duration};

use anyhow::Context;
use portolan_sandbox::Process;

/// CPU time of each thread of a process. The kernel's sums for whole processes count in ticks of 10 ms,
/// which is more than an idle control plane needs in seconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cpu(HashMap<OsString, Duration>);

impl Cpu {
    /// User and system time of the threads that a process has now, to the nanosecond.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let mut threads = HashMap::new();
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let task = task?;
            // A thread may end between the list and the look.
            let Ok(stat) = fs::read_to_string(task.path().join("schedstat")) else {
                continue;
            };
            let running = stat.split_whitespace().next().context("no schedstat")?;
            let running = Duration::from_nanos(running.parse()?);
            threads.insert(task.file_name(), running);
        }
        Ok(Self(threads))
    }

    /// The same of several processes together: no two threads of a machine have one number.
    pub(crate) fn of_all(pids: &[u32]) -> anyhow::Result<Self> {
        let mut threads = HashMap::new();
        for pid in pids {
            threads.extend(Self::of(*pid)?.0);
        }
        Ok(Self(threads))
    }

    /// What was used between two looks, but for the last of threads that ended meanwhile.
    pub(crate) fn since(&self, before: &Self) -> Duration {
        let used = self.0.iter().map(|(thread, now)| {
            let before = before.0.get(thread).copied().unwrap_or_default();
            now.saturating_sub(before)
        });
        used.sum()
    }
}

/// That of a process that runs.
pub(crate) fn cpu(process: &Process) -> anyhow::Result<Cpu> {
    Cpu::of(process.pid().context("the process has ended")?)
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
pub(crate) fn resident_mib(process: &Process) -> anyhow::Result<f64> {
    let pid = process.pid().context("the process has ended")?;
    resident_mib_of(pid)
}

/// That of any process.
pub(crate) fn resident_mib_of(pid: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|value| value.split_whitespace().next())
        .context("no VmRSS in /proc status")?
        .parse()?;
    Ok(kib / 1024.0)
}
