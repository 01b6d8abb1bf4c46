//! Who runs where: what is measured has a core for itself, and everything else has the other.

use std::{ffi::OsString, num::NonZero, path::Path, thread};

use portolan_sandbox::{Process, Sandbox, SandboxError};

/// The core of what is measured.
pub(crate) const MEASURED: usize = 0;
/// The core of load and backends.
pub(crate) const OTHERS: usize = 1;

/// Starts a process on one core, where there are two.
pub(crate) fn start(
    sandbox: &Sandbox,
    name: &str,
    binary: &Path,
    args: &[OsString],
    core: usize,
) -> Result<Process, SandboxError> {
    let log = sandbox.folder().join(format!("{name}.log"));
    let (binary, args) = on_core(binary, args, core);
    Process::start(name, &binary, args, &[], log)
}

/// The same command bound to a core.
pub(crate) fn on_core(
    binary: &Path,
    args: &[OsString],
    core: usize,
) -> (std::path::PathBuf, Vec<OsString>) {
    if thread::available_parallelism().map_or(1, NonZero::get) < 2 {
        return (binary.to_owned(), args.to_vec());
    }
    let mut all: Vec<OsString> = vec!["-c".into(), core.to_string().into(), binary.into()];
    all.extend_from_slice(args);
    ("taskset".into(), all)
}
