//! Numbers that look random and are the same in each run, so that runs can be compared.

/// A linear congruential generator (Knuth's MMIX).
pub(crate) struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        Self(2026)
    }
}

impl Random {
    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // The high bits are the good ones.
        (self.0 >> 33) as usize % end
    }
}
