//! One direction put in order.

use super::super::budget::Budget;
use super::super::stream::{Payload, Piece, Stream};
use crate::record::Time;

/// A direction that is shown one segment after the other.
pub(super) struct Direction {
    pub(super) stream: Stream,
    pub(super) budget: Budget,
    told: String,
    times: Vec<i64>,
    milliseconds: i64,
}

const BUDGET: usize = 1 << 20;

impl Direction {
    /// One that began with a SYN before this sequence number.
    pub(super) fn after_syn(seq: u32) -> Self {
        let mut direction = Self::in_the_middle();
        direction.stream.begin(seq);
        direction
    }

    pub(super) fn in_the_middle() -> Self {
        Self::within(BUDGET, BUDGET)
    }

    pub(super) fn within(per_direction: usize, total: usize) -> Self {
        Self {
            stream: Stream::default(),
            budget: Budget::new(per_direction, total),
            told: String::new(),
            times: Vec::new(),
            milliseconds: 0,
        }
    }

    fn time(&self) -> Time {
        Time::from_nanos(self.milliseconds * 1_000_000)
    }

    /// What follows was captured so many milliseconds after the beginning.
    fn at(mut self, milliseconds: i64) -> Self {
        self.milliseconds = milliseconds;
        self
    }

    fn with(mut self, work: impl FnOnce(&mut Stream, &mut Budget, &mut dyn FnMut(Piece<'_>))) -> Self {
        let (told, times) = (&mut self.told, &mut self.times);
        work(&mut self.stream, &mut self.budget, &mut |piece| {
            let time = match piece {
                Piece::Data(bytes, time) => {
                    told.push_str(&String::from_utf8_lossy(bytes));
                    time
                }
                Piece::Gap(bytes, time) => {
                    *told += &format!("[{bytes}]");
                    time
                }
                Piece::End(time) => {
                    told.push('|');
                    time
                }
            };
            times.push(time.as_nanos() / 1_000_000);
        });
        self
    }

    fn segment(self, seq: u32, bytes: &str) -> Self {
        self.cut(seq, bytes, bytes.len())
    }

    /// A segment of which only these bytes were captured.
    fn cut(self, seq: u32, bytes: &str, length: usize) -> Self {
        let payload = Payload { seq, bytes: bytes.as_bytes(), length: length.try_into().unwrap(), time: self.time() };
        self.with(|stream, budget, emit| stream.segment(payload, budget, emit))
    }

    fn acknowledged(self, ack: u32) -> Self {
        let time = self.time();
        self.with(|stream, budget, emit| stream.acknowledged(ack, time, budget, emit))
    }

    fn fin(self, seq: u32) -> Self {
        let time = self.time();
        self.with(|stream, budget, emit| stream.fin(seq, time, budget, emit))
    }

    fn flush(self) -> Self {
        let time = self.time();
        self.with(|stream, budget, emit| stream.flush(time, budget, emit))
    }

    /// Bytes as they are, missing ones as `[7]`, the end as `|`, since this was last asked.
    fn told(&mut self) -> String {
        std::mem::take(&mut self.told)
    }

    /// What is told all in all, once it is over, when nothing is left of the budget that was taken.
    #[track_caller]
    fn assert(self, told: &str) {
        let mut over = self.flush();
        assert_eq!(over.told(), told);
        assert_eq!(over.budget.left(), BUDGET as i64);
    }
}

#[test]
fn segments_in_order_are_told_at_once() {
    let mut direction = Direction::after_syn(1).segment(1, "abc");
    assert_eq!(direction.told(), "abc");
    let mut direction = direction.segment(4, "def");
    assert_eq!(direction.told(), "def");
}

#[test]
fn early_segments_wait_for_their_turn_and_keep_their_time() {
    let direction = Direction::after_syn(1).at(10).segment(7, "ghi").at(20).segment(4, "def");
    let mut direction = direction.at(30).segment(10, "jkl").at(40);
    assert_eq!(direction.told(), "");
    let direction = direction.segment(1, "abc");
    assert_eq!((direction.told.as_str(), direction.times.as_slice()), ("abcdefghijkl", &[40, 20, 10, 30][..]));
    direction.assert("abcdefghijkl");
}

#[test]
fn bytes_that_come_twice_are_told_once_and_the_first_stay() {
    for (segments, told) in [
        // In order, then repeated, in parts, and with more.
        (&[(1, "abcd"), (1, "ABCD"), (2, "BC"), (3, "CDef"), (0, "_ABCDEFgh")][..], "abcdefgh"),
        // While they wait: of two that begin together, the one that came first.
        (&[(3, "cd"), (3, "CDef"), (1, "ab")], "abcdef"),
        (&[(3, "cdef"), (3, "CD"), (1, "ab")], "abcdef"),
        // While they wait: the one that begins first, however they came.
        (&[(5, "EFG"), (3, "cdef"), (1, "ab")], "abcdefG"),
        (&[(3, "cdef"), (5, "EFG"), (1, "ab")], "abcdefG"),
        (&[(5, "E"), (3, "cdefg"), (1, "ab")], "abcdefg"),
        (&[(3, "cdefg"), (5, "E"), (1, "ab")], "abcdefg"),
        // What comes in order before an early one counts.
        (&[(3, "CDef"), (1, "abcd")], "abcdef"),
        (&[(3, "CD"), (1, "abcdef")], "abcdef"),
    ] {
        let direction = segments.iter().fold(Direction::after_syn(1), |d, (seq, bytes)| d.segment(*seq, bytes));
        direction.assert(told);
    }
}

#[test]
fn sequence_numbers_wrap() {
    let direction = Direction::after_syn(u32::MAX - 1).segment(4, "g").segment(0, "cd");
    let direction = direction.segment(u32::MAX - 1, "ab").segment(u32::MAX, "BCDe").fin(5);
    direction.assert("abcde[1]g|");
}

#[test]
fn what_the_snapshot_length_cut_off_is_a_gap_behind_what_was_captured() {
    let mut direction = Direction::after_syn(1).cut(1, "ab", 5);
    assert_eq!(direction.told(), "ab[3]");
    // Early, overlapped, and without a single byte.
    let direction = direction.cut(10, "jk", 5).segment(6, "fghij").cut(15, "", 3).segment(18, "r").fin(19);
    direction.assert("fghijk[3][3]r|");
    Direction::after_syn(1).cut(1, "ab", 5).segment(3, "cdefg").assert("ab[3]fg");
    let mut direction = Direction::after_syn(1).segment(1, "abc").cut(1, "abcde", 9);
    assert_eq!(direction.told(), "abcde[4]");
}

#[test]
fn a_direction_that_is_captured_in_the_middle_begins_with_its_first_segment() {
    Direction::in_the_middle().acknowledged(70).segment(100, "ab").segment(50, "??").segment(102, "c").assert("abc");
    Direction::in_the_middle().fin(100).assert("|");
}

#[test]
fn keep_alives_and_window_probes_change_nothing() {
    let direction = Direction::after_syn(1).segment(1, "abc").segment(3, "?").segment(3, "");
    // A probe of a closed window carries the next byte, which is sent again if it was not taken.
    direction.segment(4, "d").segment(4, "de").fin(6).segment(5, "?").assert("abcde|");
}

#[test]
fn a_hole_is_a_gap_once_the_receiver_acknowledged_it_for_long_enough() {
    let mut direction = Direction::after_syn(1).segment(1, "ab").segment(6, "fg");
    for milliseconds in [0, 40, 80] {
        direction = direction.at(milliseconds).acknowledged(8);
    }
    assert_eq!(direction.told(), "ab");
    // Acknowledgments of what is there do not count.
    direction = direction.at(200).acknowledged(3).acknowledged(2);
    assert_eq!(direction.told(), "");
    direction = direction.acknowledged(8);
    assert_eq!(direction.told(), "[3]fg");
    direction.segment(3, "cde").assert("");
}

#[test]
fn many_acknowledgments_within_the_time_that_a_capture_takes_to_settle_are_no_gap() {
    let mut direction = Direction::after_syn(1).segment(6, "fg");
    for milliseconds in 0..100 {
        direction = direction.at(milliseconds).acknowledged(8);
    }
    direction.segment(1, "abcde").assert("abcdefg");
}

#[test]
fn a_few_acknowledgments_are_no_gap_however_long_they_take() {
    let direction = Direction::after_syn(1).segment(6, "fg").acknowledged(8).at(5000).acknowledged(8);
    direction.at(10_000).acknowledged(8).segment(1, "abcde").assert("abcdefg");
}

#[test]
fn a_hole_that_closes_takes_the_doubts_with_it() {
    let mut direction = Direction::after_syn(1).segment(2, "b").segment(4, "d");
    for milliseconds in [0, 50, 99] {
        direction = direction.at(milliseconds).acknowledged(5);
    }
    direction = direction.segment(1, "a");
    for milliseconds in [150, 200, 240] {
        direction = direction.at(milliseconds).acknowledged(5);
    }
    assert_eq!(direction.told(), "ab");
    direction = direction.at(250).acknowledged(5);
    assert_eq!(direction.told(), "[1]d");
}

/// Acknowledges a number so that every hole before it is believed.
fn believed(direction: Direction, ack: u32) -> Direction {
    (0..4).fold(direction, |direction, i| direction.at(i * 100).acknowledged(ack))
}

#[test]
fn a_gap_reaches_to_what_is_acknowledged_and_no_further() {
    believed(Direction::after_syn(1).segment(1, "ab"), 6).segment(6, "fg").assert("ab[3]fg");
    believed(Direction::after_syn(1).segment(8, "h"), 6).segment(6, "fg").assert("[5]fgh");
    // A single number may be a FIN.
    believed(Direction::after_syn(1).segment(1, "ab"), 4).segment(3, "c").assert("abc");
    // With an early segment behind it, it is a byte.
    believed(Direction::after_syn(1).segment(1, "ab").segment(4, "d"), 4).segment(3, "c").assert("ab[1]d");
    // The FIN behind the hole is no byte.
    believed(Direction::after_syn(1).segment(1, "ab").fin(5), 6).assert("ab[2]|");
    // No window is so large.
    believed(Direction::after_syn(1).segment(1, "ab"), (1 << 30) + 4).segment(3, "c").assert("abc");
}

#[test]
fn a_fin_ends_the_direction_when_everything_before_it_was_told() {
    let mut direction = Direction::after_syn(1).segment(1, "ab").fin(5);
    assert_eq!(direction.told(), "ab");
    let mut direction = direction.segment(3, "cd");
    assert_eq!(direction.told(), "cd|");
    // Sent again, with and without the last bytes, and with garbage behind it.
    direction.fin(5).segment(3, "cd").fin(5).segment(5, "??").segment(6, "??").fin(8).assert("");
}

#[test]
fn what_waits_behind_a_fin_is_given_up_with_it() {
    Direction::after_syn(1).segment(5, "??").fin(3).segment(1, "ab").assert("ab|");
}

#[test]
fn a_fin_that_lies_does_not_end_the_direction() {
    // Behind what was told already.
    Direction::after_syn(1).segment(1, "abc").fin(2).segment(4, "d").fin(5).assert("abcd|");
    // In the middle of what was sent.
    Direction::after_syn(1).fin(3).segment(1, "abcd").segment(5, "e").fin(6).assert("abcde|");
    // Behind it, while the right one waits.
    Direction::after_syn(1).segment(1, "ab").fin(4).fin(2).segment(3, "c").segment(4, "?").assert("abc|");
    // Far beyond it, with the right one after it.
    Direction::after_syn(1).fin(5000).segment(1, "ab").fin(3).assert("ab|");
    Direction::after_syn(1).fin(2_000_000_000).segment(1, "ab").assert("ab");
}

#[test]
fn at_the_end_everything_that_waits_is_told_with_the_gaps_before_it() {
    let direction = Direction::after_syn(1).at(5).segment(8, "hi").segment(3, "cd").fin(12).at(9).flush();
    assert_eq!((direction.told.as_str(), direction.times.as_slice()), ("[2]cd[3]hi[2]|", &[9, 5, 9, 5, 9, 9][..]));
}

#[test]
fn a_segment_that_is_nowhere_near_counts_for_nothing() {
    let far = 100 + (1 << 30);
    let direction = Direction::after_syn(1).segment(far, "??").segment(1, "ab").segment(far, "??");
    let direction = direction.segment(far, "??").segment(far, "??").segment(3, "c").segment(far, "??");
    // Repetitions tell that the sender is where it was, too.
    let again = |direction: Direction| direction.segment(1, "ab").segment(far, "??").segment(far, "??");
    again(again(again(direction))).assert("abc");
}

#[test]
fn several_segments_in_a_row_that_are_nowhere_near_tell_that_the_sender_is_there() {
    for far in [3_000_000_000, 2_000_000_000] {
        let mut direction = Direction::after_syn(1).segment(1, "ab").segment(5, "ef").fin(9);
        for (i, bytes) in (0..).zip(["gh", "ij", "kl", "mn", "op"]) {
            direction = direction.segment(far + 2 * i, bytes);
        }
        let missing = far + 6 - 7;
        direction.assert(&format!("ab[2]ef[{missing}]mnop"));
    }
}

#[test]
fn a_direction_keeps_no_more_than_its_bound() {
    let long = "x".repeat(400);
    let mut direction = Direction::within(1300, 1 << 20).segment(1, "ab").segment(1001, &long);
    direction = direction.segment(2001, &long);
    assert_eq!(direction.told(), "ab");
    // The third is too much: the first hole is given up.
    direction = direction.segment(3001, &long);
    assert_eq!(direction.told(), format!("[998]{long}"));
    direction = direction.flush();
    assert_eq!(direction.told(), format!("[600]{long}[600]{long}"));
    assert_eq!(direction.budget.left(), 1 << 20);
}

#[test]
fn a_segment_that_fits_nowhere_is_told_at_once() {
    let long = "x".repeat(3000);
    let mut direction = Direction::within(1500, 1 << 20).segment(1, "ab").segment(101, &long);
    assert_eq!(direction.told(), format!("ab[98]{long}"));
    direction = Direction::within(1 << 20, 1500).segment(1, "ab").segment(101, &long);
    assert_eq!(direction.told(), format!("ab[98]{long}"));
    assert_eq!(direction.budget.left(), 1500);
}

#[test]
fn all_directions_share_one_bound() {
    let mut one = Direction::within(1 << 20, 1000).segment(1, "a").segment(11, &"x".repeat(700));
    let mut other = Direction { budget: one.budget, ..Direction::in_the_middle().segment(1, "b") };
    other = other.segment(11, &"y".repeat(700));
    assert_eq!(other.told(), format!("b[9]{}", "y".repeat(700)));
    assert_eq!(one.told, "a");
    one = Direction { budget: other.budget, ..one }.flush();
    assert_eq!(one.told(), format!("a[9]{}", "x".repeat(700)));
    assert_eq!(one.budget.left(), 1000);
}

#[test]
fn what_waits_already_is_not_kept_twice() {
    let direction = Direction::after_syn(1).segment(11, "klmnop");
    let left = direction.budget.left();
    let direction = direction.segment(11, "klmnop").segment(12, "lm").segment(14, "nop");
    assert_eq!(direction.budget.left(), left);
    direction.assert("[10]klmnop");
}

#[test]
fn what_is_forgotten_goes_back_into_the_budget() {
    let mut direction = Direction::after_syn(1).segment(5, "ef").segment(9, "ij");
    assert!(direction.budget.left() < BUDGET as i64);
    direction.stream.forget(&mut direction.budget);
    direction.assert("");
}
