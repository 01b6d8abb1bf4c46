//! One scale for all durations, so that they can be laid over one another.

use prometheus_client::metrics::histogram::Histogram;

/// Upper bounds in seconds: from what an index needs to what only a lost connection explains.
const SECONDS: [f64; 15] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// A histogram of durations, in seconds.
pub(crate) fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

/// A histogram of how many there are of something in a group of at most `most`: powers of two.
pub(super) fn sizes(most: u32) -> Histogram {
    let powers = (0..).map(|power| 2_f64.powi(power));
    Histogram::new(powers.take_while(|size| *size <= f64::from(most)))
}
