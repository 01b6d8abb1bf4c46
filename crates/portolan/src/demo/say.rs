//! What the demo prints.

use std::{
    fmt::Display,
    io::{IsTerminal, Write},
};

/// Prints steps and facts; colour on terminals only.
pub(crate) struct Say {
    colour: bool,
}

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const CYAN: &str = "36";

impl Say {
    /// For standard output.
    pub(crate) fn new() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colour: std::io::stdout().is_terminal() && !plain,
        }
    }

    /// The heading of a step.
    pub(crate) fn step(&self, title: &str) {
        self.line(&format!("\n{}", self.paint(BOLD, title)));
    }

    /// A thing that holds.
    pub(crate) fn done(&self, fact: &str) {
        self.line(&format!("  {} {fact}", self.paint(GREEN, "✓")));
    }

    /// A command as the user would type it.
    pub(crate) fn command(&self, command: &str) {
        self.line(&format!(
            "  {} {}",
            self.paint(CYAN, "$"),
            self.paint(BOLD, command)
        ));
    }

    /// What a command printed, or a remark.
    pub(crate) fn detail(&self, text: &str) {
        for line in text.lines() {
            self.line(&format!("    {}", self.paint(DIM, line)));
        }
    }

    /// A row of a table: left column of fixed width.
    pub(crate) fn row(&self, left: &str, right: &str) {
        self.line(&format!("    {left:<32} {right}"));
    }

    /// The end of a demo that did not hold.
    pub(crate) fn failed(&self, error: &anyhow::Error) {
        self.line(&format!("\n  {} {error:#}", self.paint(RED, "✗")));
    }

    fn paint(&self, code: &str, text: impl Display) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_string()
        }
    }

    fn line(&self, line: &str) {
        // Nobody may be reading any more, as with `| head`; the demo goes on and cleans up.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}
