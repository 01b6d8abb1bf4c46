//! Times in order, and tables.

use std::time::Duration;

/// Measured times, in order.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// Adds one.
    pub(crate) fn add(&mut self, time: Duration) {
        let position = self.0.partition_point(|other| *other <= time);
        self.0.insert(position, time);
    }

    /// The time that `percent` of all do not exceed (nearest rank); zero if there is none.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    /// `min / median / p99` in milliseconds.
    pub(crate) fn summary(&self) -> String {
        let [min, median, p99] = [
            self.0.first().copied().unwrap_or_default(),
            self.percentile(50),
            self.percentile(99),
        ]
        .map(milliseconds);
        format!("{min} / {median} / {p99}")
    }
}

/// `12.3`
pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}

/// Rows that are printed as a Markdown table.
#[derive(Debug)]
pub(crate) struct Table(Vec<[String; 2]>);

impl Table {
    /// With these headings.
    pub(crate) fn new(what: &str, figure: &str) -> Self {
        Self(vec![
            [what.to_owned(), figure.to_owned()],
            ["---".to_owned(), "---".to_owned()],
        ])
    }

    /// Adds a row, and shows it at once as progress.
    pub(crate) fn row(&mut self, what: impl Into<String>, figure: impl Into<String>) {
        let row = [what.into(), figure.into()];
        progress(&format!("{}: {}", row[0], row[1]));
        self.0.push(row);
    }

    /// Prints it.
    #[allow(clippy::print_stdout)] // The table is what the program is for.
    pub(crate) fn print(&self) {
        println!();
        for [what, figure] in &self.0 {
            println!("| {what} | {figure} |");
        }
    }
}

/// Rows of any number of columns that are printed as a Markdown table.
#[derive(Debug)]
pub(crate) struct Grid(Vec<Vec<String>>);

impl Grid {
    /// With these headings.
    pub(crate) fn new(headings: &[&str]) -> Self {
        let headings: Vec<_> = headings.iter().map(|&one| one.to_owned()).collect();
        let line = vec!["---".to_owned(); headings.len()];
        Self(vec![headings, line])
    }

    /// Adds a row, and shows it at once as progress.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        progress(&cells.join(" | "));
        self.0.push(cells);
    }

    /// Prints it.
    #[allow(clippy::print_stdout)] // The table is what the program is for.
    pub(crate) fn print(&self) {
        println!();
        for cells in &self.0 {
            println!("| {} |", cells.join(" | "));
        }
    }
}

/// Says what is being done.
#[allow(clippy::print_stderr)] // Progress, apart from the table.
pub(crate) fn progress(text: &str) {
    eprintln!("bench: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let mut times = Times::default();
        for milliseconds in [30, 10, 20, 40] {
            times.add(Duration::from_millis(milliseconds));
        }
        assert_eq!(times.percentile(50), Duration::from_millis(20));
        assert_eq!(times.percentile(99), Duration::from_millis(40));
        assert_eq!(times.summary(), "10.0 / 20.0 / 40.0");
    }
}
