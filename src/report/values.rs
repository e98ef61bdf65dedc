//! Values as a person reads them.

use std::fmt::{self, Write};

use jiff::tz::TimeZone;

use super::numbers::{Grouped, Rounded};
use crate::record::{Time, Value};

const DAY: i64 = 86_400_000_000_000;

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    /// Whether numbers with a unit get commas and fractions are rounded, or all digits stay as they are.
    pub(super) eased: bool,
    /// How times are written.
    pub(super) time: TimeForm,
}

/// How times are written, always UTC. Digits that do not fit are left out, not rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeForm {
    /// `2026-11-20T17:02:00.123456789Z`.
    Exact,
    /// `2026-11-20 17:02:00.123456Z`, with so many decimals.
    Date(usize),
    /// `17:02:00.123456`, with so many decimals; the day is said elsewhere. A time of another day is written
    /// `11-21 00:01:02`.
    Clock(i64, usize),
}

impl Form {
    /// For a page that is wide enough.
    pub(super) const PAGE: Self = Self { eased: true, time: TimeForm::Date(6) };
}

/// The number of the UTC day in which a time lies, counted from 1970-01-01.
pub(super) const fn day(time: Time) -> i64 {
    time.as_nanos().div_euclid(DAY)
}

/// The date of that day: `2026-11-20`.
pub(super) fn date(day: i64) -> String {
    calendar(Time::from_nanos(day.saturating_mul(DAY))).strftime("%Y-%m-%d").to_string()
}

fn calendar(time: Time) -> jiff::civil::DateTime {
    // Every count of nanoseconds that fits in 64 bits is a year between 1677 and 2262.
    TimeZone::UTC.to_datetime(jiff::Timestamp::from_nanosecond(i128::from(time.as_nanos())).unwrap_or_default())
}

fn write_time(to: &mut dyn Write, time: Time, form: TimeForm) -> fmt::Result {
    let (date, decimals, zone) = match form {
        TimeForm::Exact => return write!(to, "{time}"),
        TimeForm::Date(decimals) => ("%Y-%m-%d ", decimals, "Z"),
        TimeForm::Clock(said, decimals) if said == day(time) => ("", decimals, ""),
        TimeForm::Clock(..) => ("%m-%d ", 0, ""),
    };
    if !date.is_empty() {
        write!(to, "{}", calendar(time).strftime(date))?;
    }
    let nanos = time.as_nanos().rem_euclid(DAY);
    let (seconds, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    write!(to, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
    match decimals {
        0 => {}
        1..=3 => write!(to, ".{:03}", nanos / 1_000_000)?,
        _ => write!(to, ".{:06}", nanos / 1000)?,
    }
    to.write_str(zone)
}

/// Writes a value on one line, if it has no line breaks of its own. The unit is that of its field.
pub(super) fn write_value(to: &mut dyn Write, value: &Value<'_>, unit: &str, form: Form) -> fmt::Result {
    match value {
        Value::Integer(x) if form.eased && !unit.is_empty() => write!(to, "{}", Grouped(*x)),
        Value::Float(x) if form.eased => write!(to, "{}", Rounded(*x)),
        Value::Time(x) => write_time(to, *x, form.time),
        Value::List(items) => {
            for (i, item) in items.iter().enumerate() {
                to.write_str(if i == 0 { "" } else { ", " })?;
                write_value(to, item, unit, form)?;
            }
            Ok(())
        }
        // Each direct, so that a text is not written through another formatter.
        Value::Text(x) => to.write_str(x),
        other => write!(to, "{other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Duration;

    const NOON: i64 = 1_795_194_120_123_456_789; // 2026-11-20T17:02:00.123456789Z

    fn written(value: &Value<'_>, unit: &str, form: Form) -> String {
        let mut text = String::new();
        write_value(&mut text, value, unit, form).unwrap();
        text
    }

    #[test]
    fn times_take_the_form_that_the_place_has_room_for() {
        let time = Value::Time(Time::from_nanos(NOON));
        let today = day(Time::from_nanos(NOON));
        assert_eq!(date(today), "2026-11-20");
        for (form, text) in [
            (TimeForm::Exact, "2026-11-20T17:02:00.123456789Z"),
            (TimeForm::Date(6), "2026-11-20 17:02:00.123456Z"),
            (TimeForm::Date(0), "2026-11-20 17:02:00Z"),
            (TimeForm::Clock(today, 6), "17:02:00.123456"),
            (TimeForm::Clock(today, 3), "17:02:00.123"),
            (TimeForm::Clock(today - 1, 6), "11-20 17:02:00"),
        ] {
            assert_eq!(written(&time, "", Form { eased: true, time: form }), text);
        }
    }

    #[test]
    fn times_before_the_epoch_and_at_the_ends_are_written() {
        for (nanos, text) in [
            (-1, "1969-12-31 23:59:59.999999Z"),
            (i64::MIN, "1677-09-21 00:12:43.145224Z"),
            (i64::MAX, "2262-04-11 23:47:16.854775Z"),
        ] {
            assert_eq!(written(&Value::Time(Time::from_nanos(nanos)), "", Form::PAGE), text);
        }
    }

    #[test]
    fn only_numbers_with_a_unit_get_commas() {
        let exact = Form { eased: false, time: TimeForm::Exact };
        assert_eq!(written(&Value::Integer(51_234), "", Form::PAGE), "51234");
        assert_eq!(written(&Value::Integer(51_234), "bytes", Form::PAGE), "51,234");
        assert_eq!(written(&Value::Integer(51_234), "bytes", exact), "51234");
        let list = Value::List(vec![Value::Integer(1000), Value::Duration(Duration::from_nanos(1_500_000))]);
        assert_eq!(written(&list, "bytes", Form::PAGE), "1,000, 1.5ms");
        assert_eq!(written(&Value::Float(0.1 + 0.2), "", exact), "0.30000000000000004");
    }
}
