//! What the process takes of the machine, under the names that Prometheus gives it everywhere.

use std::{fmt, fs};

use jiff::Timestamp;
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder, registry::Unit};
use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
};

use super::Sheet;

/// Reads `/proc/self` when it is asked.
#[derive(Debug)]
pub(super) struct Process {
    started: Timestamp,
}

impl Process {
    /// Of this process, which has just started.
    pub(super) fn new() -> Self {
        Self {
            started: Timestamp::now(),
        }
    }
}

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet::new(encoder);
        sheet.gauge(
            ("process_start_time", Some(Unit::Seconds)),
            "When the process started, since 1970",
            self.started.as_millisecond() as f64 / 1000.0,
        )?;
        let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        if let Some(usage) = Usage::parse(&text) {
            sheet.counter(
                ("process_cpu", Some(Unit::Seconds)),
                "Time on processors, of users and system",
                usage.cpu_seconds,
            )?;
            sheet.gauge(
                ("process_resident_memory", Some(Unit::Bytes)),
                "Memory that is in use",
                usage.resident_bytes,
            )?;
            sheet.gauge(
                ("process_virtual_memory", Some(Unit::Bytes)),
                "Addresses that are in use",
                usage.virtual_bytes,
            )?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            sheet.gauge(
                ("process_open_fds", None),
                "Open file descriptors",
                open.count(),
            )?;
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            sheet.gauge(
                ("process_max_fds", None),
                "Most file descriptors that may be open",
                most,
            )?;
        }
        Ok(())
    }
}

/// What `/proc/self/stat` tells (proc_pid_stat(5)).
#[derive(Debug, PartialEq)]
struct Usage {
    cpu_seconds: f64,
    virtual_bytes: u64,
    resident_bytes: u64,
}

impl Usage {
    fn parse(stat: &str) -> Option<Self> {
        // The name of the program stands in parentheses and may have anything in it.
        let (_, rest) = stat.rsplit_once(") ")?;
        let fields: Vec<_> = rest.split_whitespace().collect();
        // Counted from 1 in the manual, where the state after the name is the third.
        let field = |number: usize| -> Option<u64> { fields.get(number - 3)?.parse().ok() };
        let (user, system) = (field(14)?, field(15)?);
        Some(Self {
            cpu_seconds: (user + system) as f64 / clock_ticks_per_second() as f64,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * page_size() as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn usage_is_read_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 0 1 2 3 4 150 50 0 0 20 0 9 0 999 4096000 12 18";
        let usage = Usage::parse(stat).unwrap();
        let ticks = clock_ticks_per_second() as f64;
        assert_eq!(
            usage,
            Usage {
                cpu_seconds: 200.0 / ticks,
                virtual_bytes: 4_096_000,
                resident_bytes: 12 * page_size() as u64,
            }
        );
        assert_eq!(Usage::parse("7 (a) S 1"), None);
    }

    #[test]
    fn this_process_uses_memory() {
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        let usage = Usage::parse(&stat).unwrap();
        assert!(usage.resident_bytes > 1_000_000, "{usage:?}");
        assert!(usage.virtual_bytes >= usage.resident_bytes, "{usage:?}");
    }
}
