//! Time limits that follow from programs.

/// How a time limit follows from the slowest of the programs that must not exceed it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TimeRule {
    pub(crate) multiplier: f64,
    /// The limit is a multiple of this, and not zero.
    pub(crate) resolution_ms: u64,
}

impl TimeRule {
    pub(crate) fn limit_ms(self, slowest_ms: u64) -> u64 {
        #[expect(clippy::cast_precision_loss, reason = "times are far below 2^52 ms")]
        let least = slowest_ms as f64 * self.multiplier / self.resolution_ms as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast saturates, and limits are checked where they are used"
        )]
        let steps = least.ceil().max(1.0) as u64;
        steps.saturating_mul(self.resolution_ms)
    }
}
