//! How far each zone is, while a command waits.

use std::{collections::BTreeMap, io::IsTerminal, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::print;

/// How far one zone is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its name.
    pub(super) zone: String,
    /// How far, for people.
    pub(super) text: String,
    /// Whether it is where it should be.
    pub(super) is_done: bool,
}

/// A line for each zone: filling in on a terminal, else printed once it is done.
pub(super) struct Lines {
    bars: Option<(MultiProgress, BTreeMap<String, ProgressBar>)>,
    printed: Vec<String>,
}

impl Lines {
    pub(super) fn new() -> Self {
        let bars = std::io::stdout()
            .is_terminal()
            .then(|| (MultiProgress::new(), BTreeMap::new()));
        Self {
            bars,
            printed: Vec::new(),
        }
    }

    pub(super) fn show(&mut self, lines: &[Line], elapsed: Duration) {
        for line in lines {
            let name = &line.zone;
            let milliseconds = elapsed.as_millis();
            let text = if line.is_done {
                format!("{} ({milliseconds} ms)", line.text)
            } else {
                line.text.clone()
            };
            if let Some((all, bars)) = &mut self.bars {
                let bar = bars
                    .entry(name.clone())
                    .or_insert_with(|| all.add(spinner(name)));
                if line.is_done && !bar.is_finished() {
                    bar.finish_with_message(text);
                } else if !line.is_done {
                    bar.set_message(text);
                }
            } else if line.is_done && !self.printed.contains(name) {
                print(&format!("{name}: {text}"));
                self.printed.push(name.clone());
            }
        }
    }
}

/// The lines of those that are not where they should be.
pub(super) fn missing(lines: &[Line]) -> String {
    let missing = lines.iter().filter(|line| !line.is_done);
    let missing: Vec<_> = missing
        .map(|line| format!("{}: {}", line.zone, line.text))
        .collect();
    missing.join("\n  ")
}

fn spinner(zone: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_prefix(zone.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{prefix}: {msg}") {
        bar.set_style(style);
    }
    bar
}
