//! Time stamps of pcapng: ticks of a resolution that each interface chooses.

use crate::record::Time;

const SECOND: i128 = 1_000_000_000;

/// Turns the ticks of an interface into points in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    scale: Scale,
    /// Added to every time, in seconds.
    offset: i64,
}

/// What a tick is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    /// That many nanoseconds.
    Nanoseconds(u64),
    /// One of that many parts of a nanosecond.
    PartOfNanosecond(u64),
    /// One of 2 to the power of that many parts of a second.
    BinaryPartOfSecond(u8),
    /// So short that 2^64 of it are less than a nanosecond.
    Nothing,
}

impl Default for Clock {
    /// Microseconds since 1970, which is what a file means that says nothing.
    fn default() -> Self {
        Self { scale: Scale::Nanoseconds(1000), offset: 0 }
    }
}

impl Clock {
    /// Sets what a tick is, from the value of the option `if_tsresol`: a negative power of 10, or of 2 if the highest
    /// bit is set.
    pub(super) const fn set_resolution(&mut self, option: u8) {
        let exponent = option & 0x7f;
        self.scale = match (option & 0x80 != 0, exponent) {
            (true, _) => Scale::BinaryPartOfSecond(exponent),
            (false, 0..=9) => Scale::Nanoseconds(10u64.pow(9 - exponent as u32)),
            (false, 10..=28) => Scale::PartOfNanosecond(10u64.pow(exponent as u32 - 9)),
            (false, _) => Scale::Nothing,
        };
    }

    /// Sets what is added to every time, from the value of the option `if_tsoffset`: seconds.
    pub(super) const fn set_offset(&mut self, seconds: i64) {
        self.offset = seconds;
    }

    /// The time of that many ticks, rounded down to a nanosecond; the nearest one that can be expressed if it is more
    /// than 292 years away from 1970.
    #[inline]
    pub(super) fn time(&self, ticks: u64) -> Time {
        if let (Scale::Nanoseconds(tick), 0) = (self.scale, self.offset)
            && let Some(nanos) = ticks.checked_mul(tick)
        {
            return Time::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX));
        }
        let ticks = i128::from(ticks);
        let nanos = i128::from(self.offset) * SECOND
            + match self.scale {
                Scale::Nanoseconds(tick) => ticks * i128::from(tick),
                Scale::PartOfNanosecond(parts) => ticks / i128::from(parts),
                Scale::BinaryPartOfSecond(shift) => (ticks * SECOND) >> shift,
                Scale::Nothing => 0,
            };
        Time::from_nanos(i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(resolution: u8, offset: i64) -> Clock {
        let mut clock = Clock::default();
        clock.set_resolution(resolution);
        clock.set_offset(offset);
        clock
    }

    #[test]
    fn ticks_are_powers_of_ten_or_of_two_of_a_second() {
        for (resolution, ticks, nanos) in [
            (0, 3, 3_000_000_000),
            (3, 1_500, 1_500_000_000),
            (6, 1_340_954_905_298_858, 1_340_954_905_298_858_000),
            (9, 1_340_954_905_298_858_001, 1_340_954_905_298_858_001),
            (12, 1_999, 1),
            (28, u64::MAX, 1),
            (29, u64::MAX, 0),
            (127, u64::MAX, 0),
            (0x80, 7, 7_000_000_000),
            (0x81, 3, 1_500_000_000),
            (0x80 | 10, 1, 976_562),
            (0x80 | 32, (5 << 32) + (1 << 31), 5_500_000_000),
            (0x80 | 64, u64::MAX, 999_999_999),
            (0x80 | 127, u64::MAX, 0),
        ] {
            assert_eq!(clock(resolution, 0).time(ticks), Time::from_nanos(nanos), "{resolution:#x} {ticks}");
        }
    }

    #[test]
    fn an_offset_in_seconds_moves_every_time() {
        assert_eq!(clock(6, 1_000).time(1), Time::from_nanos(1_000_000_001_000));
        assert_eq!(clock(6, -1).time(1), Time::from_nanos(-999_999_000));
    }

    #[test]
    fn times_that_cannot_be_expressed_saturate() {
        assert_eq!(clock(6, 0).time(u64::MAX), Time::from_nanos(i64::MAX));
        assert_eq!(clock(9, 0).time(u64::MAX), Time::from_nanos(i64::MAX));
        assert_eq!(clock(0, i64::MAX).time(u64::MAX), Time::from_nanos(i64::MAX));
        assert_eq!(clock(0, i64::MIN).time(0), Time::from_nanos(i64::MIN));
    }
}
