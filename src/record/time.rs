//! Points in time and spans of time, in nanoseconds.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z.
///
/// Prints as RFC 3339 in UTC with nine decimals, for example `2026-11-20T17:02:00.000000001Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(i64);

impl Time {
    /// The earliest time there is, before every packet.
    pub const MIN: Self = Self(i64::MIN);

    /// The latest time there is, after every packet.
    pub const MAX: Self = Self(i64::MAX);

    /// The time that many nanoseconds after the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(timestamp) => write!(f, "{timestamp:.9}"),
            Err(_) => write!(f, "{}ns", self.0),
        }
    }
}

/// A text that is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time: write it as `2026-11-20T17:02:00Z`")]
pub struct ParseTimeError(String);

impl FromStr for Time {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let timestamp: jiff::Timestamp = text.parse().map_err(|_| ParseTimeError(text.to_owned()))?;
        i64::try_from(timestamp.as_nanosecond()).map(Self).map_err(|_| ParseTimeError(text.to_owned()))
    }
}

/// A span of time in nanoseconds, which may be negative.
///
/// Prints with the unit that reads best: `0s`, `850ns`, `1.5ms`, `2m3.5s`, `1h0m5s`, `forever`. Parses what it prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(i64);

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// Longer than everything else: "without end".
    pub const MAX: Self = Self(i64::MAX);

    /// The span of that many nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The span of that many whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// The span in nanoseconds.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// The span in seconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a span of over 104 days loses nanoseconds as a number of seconds")]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

/// Writes `nanos / unit` with at most three decimals and no trailing zeros.
fn decimal(f: &mut fmt::Formatter<'_>, nanos: u64, unit: u64, name: &str) -> fmt::Result {
    let thousandths = nanos.saturating_add(unit / 2000) / (unit / 1000).max(1);
    let (whole, rest) = (thousandths / 1000, thousandths % 1000);
    match rest {
        0 => write!(f, "{whole}{name}"),
        r if r % 100 == 0 => write!(f, "{whole}.{}{name}", r / 100),
        r if r % 10 == 0 => write!(f, "{whole}.{:02}{name}", r / 10),
        r => write!(f, "{whole}.{r:03}{name}"),
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SECOND: u64 = 1_000_000_000;
        if *self == Self::MAX {
            return f.write_str(FOREVER);
        }
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let nanos = self.0.unsigned_abs();
        match nanos {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{nanos}ns"),
            1_000..999_999_500 if nanos < 999_999 => decimal(f, nanos, 1_000, "µs"),
            1_000..999_999_500 => decimal(f, nanos, 1_000_000, "ms"),
            _ => {
                // Whole milliseconds first, so that 59.9996 s becomes 1m0s and not 60s.
                let nanos = (nanos + 500_000) / 1_000_000 * 1_000_000;
                let (minutes, rest) = (nanos / (60 * SECOND), nanos % (60 * SECOND));
                if minutes >= 60 {
                    write!(f, "{}h", minutes / 60)?;
                }
                if minutes > 0 {
                    write!(f, "{}m", minutes % 60)?;
                }
                decimal(f, rest, SECOND, "s")
            }
        }
    }
}

/// How [`Duration::MAX`] is written.
const FOREVER: &str = "forever";

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration: write a number and a unit, such as `10s`, `1.5ms` or `2m30s`")]
pub struct ParseDurationError(String);

impl FromStr for Duration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = || ParseDurationError(text.to_owned());
        let (sign, mut rest) = match text.trim().strip_prefix('-') {
            Some(rest) => (-1.0, rest),
            None => (1.0, text.trim()),
        };
        if rest.is_empty() {
            return Err(fail());
        }
        if text.trim() == FOREVER {
            return Ok(Self::MAX);
        }
        let mut nanos = 0.0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(fail)?;
            let number: f64 = rest[..digits].parse().map_err(|_| fail())?;
            rest = &rest[digits..];
            let letters = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
            nanos += number
                * match &rest[..letters] {
                    "ns" => 1.0,
                    "us" | "µs" | "μs" => 1e3,
                    "ms" => 1e6,
                    "s" => 1e9,
                    "m" | "min" => 60e9,
                    "h" => 3600e9,
                    "d" => 86400e9,
                    _ => return Err(fail()),
                };
            rest = &rest[letters..];
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "`as` saturates, which is what a span of 300 years should do"
        )]
        Ok(Self((sign * nanos).round() as i64))
    }
}

impl From<std::time::Duration> for Duration {
    fn from(span: std::time::Duration) -> Self {
        Self(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl Sub for Time {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Duration> for Time {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Add for Duration {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Duration {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_print_with_the_unit_that_reads_best() {
        for (nanos, text) in [
            (0, "0s"),
            (850, "850ns"),
            (1_500, "1.5µs"),
            (999_998, "999.998µs"),
            (999_999, "1ms"),
            (1_500_000, "1.5ms"),
            (12_345_678, "12.346ms"),
            (999_999_999, "1s"),
            (1_050_000_000, "1.05s"),
            (59_999_600_000, "1m0s"),
            (123_500_000_000, "2m3.5s"),
            (3_605_000_000_000, "1h0m5s"),
            (-1_500_000, "-1.5ms"),
        ] {
            assert_eq!(Duration::from_nanos(nanos).to_string(), text);
        }
    }

    #[test]
    fn durations_parse_what_they_print_and_what_people_write() {
        for (text, nanos) in [
            ("0s", 0),
            ("10s", 10_000_000_000),
            ("1.5ms", 1_500_000),
            ("2m30s", 150_000_000_000),
            ("1h0m5s", 3_605_000_000_000),
            ("-20us", -20_000),
        ] {
            assert_eq!(text.parse(), Ok(Duration::from_nanos(nanos)));
        }
        for text in ["", "-", "10", "s", "1..5s", "5 parsecs", "ten seconds"] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
    }

    #[test]
    fn times_parse_what_they_print() {
        let time = Time::from_nanos(1_418_145_369_924_505_488);
        assert_eq!(time.to_string().parse(), Ok(time));
        assert!("yesterday".parse::<Time>().is_err());
        assert!("9999-01-01T00:00:00Z".parse::<Time>().is_err());
    }

    #[test]
    fn times_print_in_utc_with_all_nanoseconds() {
        assert_eq!(Time::from_nanos(1_418_145_369_924_505_488).to_string(), "2014-12-09T17:16:09.924505488Z");
        assert_eq!(Time::from_nanos(0).to_string(), "1970-01-01T00:00:00.000000000Z");
    }
}
