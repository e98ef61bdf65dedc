//! TCP sequence numbers, which wrap (RFC 9293, section 3.4).

/// How far `to` is ahead of `from`; negative if it is behind.
#[inline]
pub(super) const fn distance(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from).cast_signed()
}

/// Stretches of sequence numbers that were skipped, oldest first. Bounded: the oldest are forgotten and stay missing.
#[derive(Debug, Clone, Default)]
pub(super) struct Holes {
    holes: Vec<Hole>,
    /// Bytes of holes that had to be forgotten.
    forgotten: u64,
}

/// A stretch of sequence numbers, and the packet time at which it was skipped.
#[derive(Debug, Clone, Copy)]
struct Hole {
    start: u32,
    end: u32,
    since: crate::record::Time,
}

impl Holes {
    /// More holes than this at the same time are not told apart.
    const MAX: usize = 32;

    /// Notes that `start..end` was skipped.
    pub(super) fn open(&mut self, start: u32, end: u32, since: crate::record::Time) {
        if self.holes.len() == Self::MAX {
            let oldest = self.holes.remove(0);
            self.forgotten += u64::from(oldest.end.wrapping_sub(oldest.start));
        }
        self.holes.push(Hole { start, end, since });
    }

    /// Notes that `start..end` arrived after all. Gives the time at which the first hole that it touches was opened.
    pub(super) fn fill(&mut self, start: u32, end: u32) -> Option<crate::record::Time> {
        let mut since = None;
        let mut i = 0;
        while let Some(&hole) = self.holes.get(i) {
            let from = if distance(hole.start, start) > 0 { start } else { hole.start };
            let to = if distance(hole.end, end) < 0 { end } else { hole.end };
            if distance(from, to) <= 0 {
                i += 1;
                continue;
            }
            since = since.or(Some(hole.since));
            self.holes.remove(i);
            for (left, right) in [(hole.start, from), (to, hole.end)] {
                if distance(left, right) > 0 {
                    self.holes.insert(i, Hole { start: left, end: right, since: hole.since });
                    i += 1;
                }
            }
        }
        since
    }

    /// How many bytes are still missing.
    pub(super) fn bytes(&self) -> u64 {
        self.forgotten + self.holes.iter().map(|h| u64::from(h.end.wrapping_sub(h.start))).sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Time;

    #[test]
    fn holes_are_filled_from_both_ends_and_in_the_middle_also_where_numbers_wrap() {
        let base = u32::MAX - 49;
        let at = |n: u32| base.wrapping_add(n);
        let mut holes = Holes::default();
        let opened = Time::from_nanos(7);
        holes.open(at(0), at(100), opened);
        assert_eq!(holes.bytes(), 100);
        assert_eq!(holes.fill(at(40), at(60)), Some(opened));
        assert_eq!(holes.bytes(), 80);
        assert_eq!(holes.fill(at(40), at(60)), None);
        assert_eq!(holes.fill(at(30), at(70)), Some(opened));
        assert_eq!(holes.bytes(), 60);
        assert_eq!(holes.fill(at(0), at(200)), Some(opened));
        assert_eq!(holes.bytes(), 0);
    }

    #[test]
    fn more_holes_than_are_told_apart_stay_missing() {
        let mut holes = Holes::default();
        for i in 0..40 {
            holes.open(i * 10, i * 10 + 5, Time::MIN);
        }
        assert_eq!(holes.bytes(), 200);
        assert_eq!(holes.fill(0, 400), Some(Time::MIN));
        assert_eq!(holes.bytes(), 8 * 5);
    }
}
