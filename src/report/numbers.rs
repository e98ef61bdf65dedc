//! Numbers as a person reads them.

use std::fmt;

/// A whole number with commas between thousands: `1,591,909`.
pub(super) struct Grouped<N>(pub(super) N);

fn group(f: &mut fmt::Formatter<'_>, number: u64) -> fmt::Result {
    if number < 1000 {
        return write!(f, "{number}");
    }
    group(f, number / 1000)?;
    write!(f, ",{:03}", number % 1000)
}

impl fmt::Display for Grouped<u64> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        group(f, self.0)
    }
}

impl fmt::Display for Grouped<i64> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 < 0 { "-" } else { "" })?;
        group(f, self.0.unsigned_abs())
    }
}

/// A number of things: `1 packet`, `4,380 bytes`. For nouns whose plural has an `s`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", Grouped(number), if number == 1 { "" } else { "s" })
}

/// A number with a fraction, rounded to what a person compares: three decimals, and whole numbers as such.
pub(super) struct Rounded(pub(super) f64);

impl fmt::Display for Rounded {
    #[expect(clippy::cast_possible_truncation, reason = "the number is whole and fits, as was just checked")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let x = self.0;
        let magnitude = x.abs();
        if x.fract() == 0.0 && magnitude < 1e15 {
            return Grouped(x as i64).fmt(f);
        }
        if !(1e-3..1e15).contains(&magnitude) {
            // Also what is not a number or infinite.
            return write!(f, "{x:.3e}");
        }
        let text = format!("{x:.3}");
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (1_591_909, "1,591,909"), (-1_000_007, "-1,000,007")]
        {
            assert_eq!(Grouped::<i64>(number).to_string(), text);
        }
        assert_eq!(Grouped(u64::MAX).to_string(), "18,446,744,073,709,551,615");
        assert_eq!(Grouped(i64::MIN).to_string(), "-9,223,372,036,854,775,808");
    }

    #[test]
    fn one_thing_has_no_plural() {
        assert_eq!(counted(0, "packet"), "0 packets");
        assert_eq!(counted(1, "packet"), "1 packet");
        assert_eq!(counted(4380, "byte"), "4,380 bytes");
    }

    #[test]
    fn fractions_are_rounded_for_reading() {
        for (number, text) in [
            (0.0, "0"),
            (5.0, "5"),
            (12_345.0, "12,345"),
            (0.1 + 0.2, "0.3"),
            (1234.5678, "1234.568"),
            (0.000_012_34, "1.234e-5"),
            (1e300, "1.000e300"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(Rounded(number).to_string(), text);
        }
    }
}
