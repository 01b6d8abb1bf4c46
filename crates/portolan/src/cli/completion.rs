//! `portolan completion`.

use clap::{Args as ClapArgs, CommandFactory};
use clap_complete::Shell;

use super::errors::Failure;

/// Prints completions for a shell.
#[derive(ClapArgs, Debug)]
#[command(after_help = "Example:
  portolan completion bash > /etc/bash_completion.d/portolan")]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

/// Prints them.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let mut command = crate::Portolan::command();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "portolan", &mut script);
    super::print(&String::from_utf8_lossy(&script));
    Ok(())
}
