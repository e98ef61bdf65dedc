//! Whatever happens to the segments of a direction, every byte is told where it belongs or is told to be missing.

use super::super::budget::Budget;
use super::super::sample::Random;
use super::super::stream::{Payload, Piece, Stream};
use crate::record::Time;

/// A direction, what a capture has of it, and what a stream says about it.
struct Case {
    original: Vec<u8>,
    /// Sequence number of the first byte.
    base: u32,
    /// Place and length of each segment, and how much of it was captured, in the order of the capture.
    segments: Vec<(usize, usize, usize)>,
    budget: usize,
    acknowledges: bool,
}

impl Case {
    /// Cuts random bytes into segments, drops, repeats, overlaps and shuffles them.
    fn new(random: &mut Random, may_cut: bool) -> Self {
        let original: Vec<_> = (0..1 + random.below(20_000)).map(|_| random.next() as u8).collect();
        let mut segments = Vec::new();
        let mut place = 0;
        while place < original.len() {
            let length = (1 + random.below(1460)).min(original.len() - place);
            if !random.one_in(10) {
                segments.push((place, length));
            }
            while random.one_in(5) {
                // Sent again, in other pieces.
                let start = place.saturating_sub(random.below(2000));
                segments.push((start, (1 + random.below(3000)).min(original.len() - start)));
            }
            place += length;
        }
        let window = 1 + random.below(20);
        for i in 0..segments.len() {
            let other = (i + random.below(window)).min(segments.len() - 1);
            segments.swap(i, other);
        }
        let captured = |random: &mut Random, length| match may_cut && random.one_in(10) {
            true => random.below(length),
            false => length,
        };
        let segments = segments.into_iter().map(|(s, length)| (s, length, captured(random, length))).collect();
        Self { original, base: random.next() as u32, segments, budget: 1 << 20, acknowledges: false }
    }

    fn seq(&self, place: usize) -> u32 {
        self.base.wrapping_add(place.try_into().unwrap())
    }

    /// Shows a stream everything. Gives the stretches that it says are missing; asserts that all else is right.
    fn missing(&self, random: &mut Random) -> Vec<(usize, usize)> {
        let (mut stream, mut budget) = (Stream::default(), Budget::new(self.budget, self.budget));
        let (mut place, mut gaps, mut ended) = (0, Vec::new(), false);
        let mut emit = |piece: Piece<'_>| {
            assert!(!ended, "something follows the end");
            match piece {
                Piece::Data(bytes, _) => {
                    assert_eq!(bytes, &self.original[place..place + bytes.len()], "at {place}");
                    place += bytes.len();
                }
                Piece::Gap(bytes, _) => {
                    gaps.push((place, bytes as usize));
                    place += bytes as usize;
                }
                Piece::End(_) => ended = true,
            }
        };
        stream.begin(self.base);
        let fin = random.below(self.segments.len() + 1);
        let mut highest = 0;
        for (i, &(start, length, captured)) in self.segments.iter().enumerate() {
            let time = Time::from_nanos(i as i64 * 60_000_000);
            let bytes = &self.original[start..start + captured];
            stream.segment(
                Payload { seq: self.seq(start), bytes, length: length as u32, time },
                &mut budget,
                &mut emit,
            );
            highest = highest.max(start + length);
            if self.acknowledges {
                stream.acknowledged(self.seq(random.below(highest + 1)), time, &mut budget, &mut emit);
            }
            if i == fin {
                stream.fin(self.seq(self.original.len()), time, &mut budget, &mut emit);
            }
        }
        stream.fin(self.seq(self.original.len()), Time::from_nanos(0), &mut budget, &mut emit);
        stream.flush(Time::from_nanos(0), &mut budget, &mut emit);
        assert!(ended, "the end is missing");
        assert_eq!(place, self.original.len());
        assert_eq!(budget.left(), self.budget as i64, "the budget does not balance");
        gaps
    }

    /// The stretches of the original that are in no segment.
    fn holes(&self) -> Vec<(usize, usize)> {
        let mut seen = vec![false; self.original.len()];
        self.segments.iter().for_each(|&(start, length, _)| seen[start..start + length].fill(true));
        let mut place = 0;
        let runs = seen.chunk_by(|a, b| a == b).map(|run| {
            place += run.len();
            (place - run.len(), run.len(), run[0])
        });
        runs.filter(|(_, _, is_seen)| !is_seen).map(|(start, length, _)| (start, length)).collect()
    }
}

#[test]
fn every_byte_that_was_captured_is_told_where_it_belongs_and_every_hole_is_a_gap() {
    let mut holes = 0;
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let case = Case::new(&mut random, false);
        assert_eq!(case.missing(&mut random), case.holes(), "seed {seed}");
        holes += case.holes().len();
    }
    assert!(holes > 100, "only {holes} holes");
}

#[test]
fn under_every_pressure_all_bytes_are_told_or_told_to_be_missing() {
    let mut gaps = 0;
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let mut case = Case::new(&mut random, true);
        case.budget = random.below(8000);
        case.acknowledges = random.one_in(2);
        gaps += case.missing(&mut random).len();
    }
    assert!(gaps > 1000, "only {gaps} gaps");
}
