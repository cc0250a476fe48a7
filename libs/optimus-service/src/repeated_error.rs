//! An error that comes again and again, and is told ever more rarely.

/// Tells the same error at the first, the second, the fourth, the eighth time, and so on.
#[derive(Debug, Default)]
pub(crate) struct RepeatedError {
    error: String,
    times: u64,
}

impl RepeatedError {
    pub(crate) fn is_due(&mut self, error: &str) -> bool {
        if self.error != error {
            error.clone_into(&mut self.error);
            self.times = 0;
        }
        self.times = self.times.saturating_add(1);
        self.times.is_power_of_two()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_at_once_and_then_ever_more_rarely() {
        let mut repeated = RepeatedError::default();
        let told = (1..=100).filter(|_| repeated.is_due("refused")).count();
        assert_eq!(told, 7, "1, 2, 4, 8, 16, 32, 64");
        assert!(repeated.is_due("no such host"));
        assert!(repeated.is_due("refused"), "it is news again");
    }
}
