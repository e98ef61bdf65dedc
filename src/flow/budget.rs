//! How much may be kept of what came out of order.

use crate::limits::Limits;

/// How many bytes of out-of-order segments and of notes about holes may be kept: by one direction, and how many are
/// left for all conversations.
#[derive(Debug)]
pub(super) struct Budget {
    per_direction: usize,
    left: i64,
}

impl Budget {
    /// A budget of which nothing is taken.
    pub(super) fn new(per_direction: usize, total: usize) -> Self {
        Self { per_direction, left: i64::try_from(total).unwrap_or(i64::MAX) }
    }

    /// The budget that belongs to these limits.
    pub(super) fn of(limits: &Limits) -> Self {
        Self::new(limits.out_of_order_bytes, limits.out_of_order_total)
    }

    /// Takes `bytes` whether they are there or not: whoever overdraws it makes room at once.
    pub(super) fn take(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub_unsigned(bytes as u64);
    }

    /// Takes `bytes` if they are there.
    pub(super) fn try_take(&mut self, bytes: usize) -> bool {
        let enough = self.left >= 0 && self.left.unsigned_abs() >= bytes as u64;
        if enough {
            self.take(bytes);
        }
        enough
    }

    /// Puts back what was taken.
    pub(super) fn give_back(&mut self, bytes: usize) {
        self.left = self.left.saturating_add_unsigned(bytes as u64);
    }

    /// Whether a direction that keeps `bytes` has to give some of them up.
    pub(super) const fn is_exceeded_by(&self, bytes: usize) -> bool {
        bytes > self.per_direction || self.left < 0
    }

    #[cfg(test)]
    pub(super) const fn left(&self) -> i64 {
        self.left
    }
}
