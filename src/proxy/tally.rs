//! How many there are of something that there may be so many of.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts those that are there, and beside them the places that are kept for those who may come.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Places that are kept, those of the present ones included.
    kept: AtomicUsize,
    present: AtomicUsize,
}

impl Tally {
    /// Keeps places, if there are no more than `most` then.
    pub(super) fn keep(&self, count: usize, most: usize) -> bool {
        let may = self.kept.fetch_add(count, Ordering::Relaxed).saturating_add(count) <= most;
        if !may {
            self.give_back(count);
        }
        may
    }

    /// Gives places back for which nobody came.
    pub(super) fn give_back(&self, count: usize) {
        self.kept.fetch_sub(count, Ordering::Relaxed);
    }

    /// Counts those who came for their places.
    pub(super) fn come(&self, count: usize) {
        self.present.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts those who go, and gives their places back.
    pub(super) fn go(&self, count: usize) {
        self.present.fetch_sub(count, Ordering::Relaxed);
        self.give_back(count);
    }

    /// How many are there.
    pub(super) fn present(&self) -> usize {
        self.present.load(Ordering::Relaxed)
    }

    /// Whether so many more are too many, whoever may still come.
    pub(super) fn is_full(&self, count: usize, most: usize) -> bool {
        self.present().saturating_add(count) > most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_kept_is_nobody_yet() {
        let tally = Tally::default();
        assert!(tally.keep(2, 3));
        assert_eq!((tally.present(), tally.keep(2, 3), tally.is_full(2, 3)), (0, false, false));
        tally.come(2);
        assert_eq!((tally.present(), tally.is_full(2, 3), tally.is_full(1, 3)), (2, true, false));
        assert!(tally.keep(1, 3));
        tally.give_back(1);
        tally.go(2);
        assert_eq!(tally.present(), 0);
        assert!(tally.keep(3, 3));
    }
}
