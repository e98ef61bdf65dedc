//! TCP sequence numbers, which wrap (RFC 9293, section 3.4), and stretches of them that are missing.

use super::budget::Budget;
use crate::record::Time;

/// No window reaches further than this (RFC 7323, section 2.3): a number that is further away from where a direction
/// stands belongs to no segment of it.
const MAX_WINDOW: u32 = 1 << 30;

/// How many packets in a row have to say the same before it is believed against the others: a packet or two may have
/// been captured in another order than they were sent, or may belong to nothing at all.
pub(super) const PATIENCE: u8 = 4;

/// How far `to` is ahead of `from`; negative if it is behind.
#[inline]
pub(super) const fn distance(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from).cast_signed()
}

/// Whether a segment that is sent or acknowledged at `from` can have to do with the number `to`.
#[inline]
pub(super) const fn is_near(from: u32, to: u32) -> bool {
    distance(from, to).unsigned_abs() <= MAX_WINDOW
}

/// Sequence numbers of a direction that were skipped and have not come yet.
///
/// All of them count; where they are is remembered of the latest [`MAX`](Self::MAX) stretches, within the budget.
#[derive(Debug, Clone, Default)]
pub(super) struct Holes {
    bytes: u64,
    open: Option<Box<Stretches>>,
}

/// The oldest first.
#[derive(Debug, Clone, Default)]
struct Stretches(Vec<Hole>);

/// A stretch of sequence numbers, and the packet time at which it was skipped.
#[derive(Debug, Clone, Copy)]
struct Hole {
    start: u32,
    end: u32,
    since: Time,
}

impl Hole {
    /// What remembering one takes of the budget: a list may have room for as many again.
    const COST: usize = 2 * size_of::<Self>();
}

impl Holes {
    /// More stretches than this are not remembered at the same time: the oldest stay missing.
    const MAX: usize = 32;

    /// How many bytes are missing.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Notes that `start..end` was skipped.
    pub(super) fn open(&mut self, start: u32, end: u32, since: Time, budget: &mut Budget) {
        self.bytes += u64::from(end.wrapping_sub(start));
        let open = &mut self.open.get_or_insert_default().0;
        match open.last_mut() {
            // A direction that is not in the capture at all is one hole, which grows with each acknowledgment.
            Some(last) if last.end == start => (last.end, last.since) = (end, since),
            _ => Self::remember(open, open.len(), Hole { start, end, since }, budget),
        }
    }

    /// Notes that `start..end` arrived after all. Gives the time at which the first stretch that it touches was
    /// skipped.
    pub(super) fn fill(&mut self, start: u32, end: u32, budget: &mut Budget) -> Option<Time> {
        let open = &mut self.open.as_mut()?.0;
        let mut since = None;
        let mut i = 0;
        while let Some(&hole) = open.get(i) {
            let from = if distance(hole.start, start) > 0 { start } else { hole.start };
            let to = if distance(hole.end, end) < 0 { end } else { hole.end };
            if distance(from, to) <= 0 {
                i += 1;
                continue;
            }
            since = since.or(Some(hole.since));
            self.bytes -= u64::from(to.wrapping_sub(from));
            open.remove(i);
            budget.give_back(Hole::COST);
            for (start, end) in [(hole.start, from), (to, hole.end)] {
                if distance(start, end) > 0 {
                    let before = open.len();
                    Self::remember(open, i, Hole { start, end, since: hole.since }, budget);
                    i += open.len() - before;
                }
            }
        }
        if open.is_empty() {
            self.open = None;
        }
        since
    }

    /// Puts a stretch into the list, and forgets the oldest for it if there are too many.
    fn remember(open: &mut Vec<Hole>, place: usize, hole: Hole, budget: &mut Budget) {
        if open.len() == Self::MAX {
            open.remove(0);
            open.insert(place.saturating_sub(1), hole);
        } else if budget.try_take(Hole::COST) {
            open.insert(place, hole);
        }
    }

    /// Forgets where the holes are; what is missing stays missing.
    pub(super) fn forget(&mut self, budget: &mut Budget) {
        if let Some(open) = self.open.take() {
            budget.give_back(open.0.len() * Hole::COST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_nanos(7);

    fn budget(bytes: usize) -> Budget {
        Budget::new(0, bytes)
    }

    #[test]
    fn holes_are_filled_from_both_ends_and_in_the_middle_also_where_numbers_wrap() {
        let base = u32::MAX - 49;
        let at = |n: u32| base.wrapping_add(n);
        let mut budget = budget(1000);
        let mut holes = Holes::default();
        holes.open(at(0), at(100), NOW, &mut budget);
        for (start, end, touches, left) in [
            (100, 200, false, 100),
            (40, 60, true, 80),
            (40, 60, false, 80),
            (30, 70, true, 60),
            (0, 10, true, 50),
            (90, 200, true, 40),
            (0, 200, true, 0),
        ] {
            assert_eq!(holes.fill(at(start), at(end), &mut budget), touches.then_some(NOW), "{start}..{end}");
            assert_eq!(holes.bytes(), left);
        }
        assert_eq!(budget.left(), 1000);
    }

    #[test]
    fn the_time_of_a_fill_is_that_of_the_first_hole_that_it_touches() {
        let mut budget = budget(1000);
        let mut holes = Holes::default();
        for (start, nanos) in [(0, 1), (20, 2), (40, 3)] {
            holes.open(start, start + 10, Time::from_nanos(nanos), &mut budget);
        }
        assert_eq!(holes.fill(25, 45, &mut budget), Some(Time::from_nanos(2)));
        assert_eq!(holes.bytes(), 20);
    }

    #[test]
    fn a_hole_that_goes_on_where_the_last_one_ends_is_the_same() {
        let mut budget = budget(Hole::COST);
        let mut holes = Holes::default();
        for i in 0..1000 {
            holes.open(i * 10, i * 10 + 10, NOW, &mut budget);
        }
        assert_eq!((holes.bytes(), budget.left()), (10_000, 0));
        // Whatever of it comes late was skipped a moment ago.
        let later = Time::from_nanos(8);
        holes.open(10_000, 10_010, later, &mut budget);
        assert_eq!(holes.fill(0, 10_010, &mut budget), Some(later));
        assert_eq!((holes.bytes(), budget.left()), (0, Hole::COST as i64));
    }

    #[test]
    fn more_holes_than_are_remembered_stay_missing() {
        let mut budget = budget(10_000);
        let mut holes = Holes::default();
        for i in 0..40 {
            holes.open(i * 10, i * 10 + 5, NOW, &mut budget);
        }
        assert_eq!(holes.bytes(), 200);
        assert_eq!(budget.left(), 10_000 - (Holes::MAX * Hole::COST) as i64);
        assert_eq!(holes.fill(0, 400, &mut budget), Some(NOW));
        assert_eq!(holes.bytes(), 8 * 5);
        assert_eq!(budget.left(), 10_000);
    }

    #[test]
    fn a_hole_that_falls_to_pieces_stays_within_the_bound() {
        let mut budget = budget(10_000);
        let mut holes = Holes::default();
        holes.open(0, 1000, NOW, &mut budget);
        for i in 0..100 {
            holes.fill(i * 10 + 5, i * 10 + 6, &mut budget);
            assert!(budget.left() >= 10_000 - (Holes::MAX * Hole::COST) as i64);
        }
        assert_eq!(holes.bytes(), 900);
        holes.forget(&mut budget);
        assert_eq!(budget.left(), 10_000);
    }

    #[test]
    fn holes_beyond_the_budget_count_and_cannot_be_filled() {
        let mut budget = budget(Hole::COST);
        let mut holes = Holes::default();
        holes.open(0, 10, NOW, &mut budget);
        holes.open(20, 30, NOW, &mut budget);
        assert_eq!((holes.bytes(), budget.left()), (20, 0));
        assert_eq!(holes.fill(20, 30, &mut budget), None);
        assert_eq!(holes.fill(0, 10, &mut budget), Some(NOW));
        assert_eq!((holes.bytes(), budget.left()), (10, Hole::COST as i64));
    }

    #[test]
    fn a_number_further_away_than_a_window_is_not_near() {
        assert!(is_near(0, 1 << 30) && is_near(1 << 30, 0) && is_near(u32::MAX, 5));
        assert!(!is_near(0, (1 << 30) + 1) && !is_near((1 << 30) + 1, 0) && !is_near(0, 1 << 31));
    }
}
