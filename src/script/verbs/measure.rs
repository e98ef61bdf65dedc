//! Verbs that measure: over time, in buckets, by rank.

use rhai::{Array, Dynamic, NativeCallContext};

use super::super::context::Context;
use super::super::docs::{Entry, Group};
use super::super::error::{ErrorKind, thrown};
use super::super::plan::{Caller, Fields, Item, Key};
use super::super::stream::Stream;
use super::{Result, Verbs};
use crate::record::{Duration, Row, Time, Tuple, Value};

pub(crate) const ENTRIES: &[Entry] = &[
    Entry {
        name: "rate",
        signature: "rate(interval) -> array of rows with `time`, `count` and `per_second`",
        group: Group::Verb,
        doc: "How many rows there are in each interval of packet time, empty intervals included.",
        example: "capture().rate(\"1s\").table()",
        needs: None,
    },
    Entry {
        name: "histogram",
        signature: "histogram(value) -> array of rows with `from`, `to` and `count`",
        group: Group::Verb,
        doc: "How the values of a number or duration are spread, in powers of two.",
        example: "http_requests().histogram(\"latency\").chart()",
        needs: None,
    },
    Entry {
        name: "percentiles",
        signature: "percentiles(value) -> row with `count`, `min`, `p50`, `p90`, `p95`, `p99`, `max` and `mean`",
        group: Group::Verb,
        doc: "The spread of a number or duration in one row. Rows without the value do not count.",
        example: "http_requests().percentiles(|r| r.latency)",
        needs: None,
    },
];

pub(super) fn register(verbs: &mut Verbs<'_>) {
    verbs.with_one("rate", rate);
    verbs.with_one("histogram", histogram);
    verbs.with_one("percentiles", percentiles);
}

/// More intervals than this are a mistake: a clock that jumped, or an interval that is far too short.
const MAX_INTERVALS: i64 = 1_000_000;

fn interval_argument(argument: &Dynamic) -> Result<Duration> {
    let interval = match argument.read_lock::<Duration>() {
        Some(interval) => Some(*interval),
        None => argument.clone().into_string().ok().and_then(|text| text.parse().ok()),
    };
    interval
        .filter(|interval| *interval > Duration::ZERO)
        .ok_or_else(|| thrown(ErrorKind::Usage, "rate takes an interval, such as rate(\"1s\") or rate(\"100ms\")"))
}

/// The field of a row that says when it was.
fn time_of(item: &Item) -> Result<Option<Time>> {
    if let Item::Row(row) = item {
        for name in ["time", "start"] {
            if let Some(Value::Time(time)) = row.get(name) {
                return Ok(Some(time));
            }
        }
    }
    Err(thrown(ErrorKind::Usage, "rate needs rows with a time; put map() behind it"))
}

fn rate(context: &Context, call: &NativeCallContext<'_>, stream: &Stream, interval: Dynamic) -> Result {
    let interval = interval_argument(&interval)?;
    let mut counts = std::collections::BTreeMap::<i64, i64>::new();
    let mut run = stream.consume("rate")?.run(Fields::of(["time", "start"]), context)?;
    run.for_each(context, &Caller::Native(call), |item| {
        if let Some(time) = time_of(&item)? {
            *counts.entry(time.as_nanos().div_euclid(interval.as_nanos())).or_default() += 1;
        }
        Ok(true)
    })?;
    let (Some((&first, _)), Some((&last, _))) = (counts.first_key_value(), counts.last_key_value()) else {
        return Ok(Array::new().into());
    };
    if last - first > MAX_INTERVALS {
        let span = Duration::from_nanos((last - first).saturating_mul(interval.as_nanos()));
        return Err(thrown(ErrorKind::Usage, format!("the rows span {span}: {interval} is too short an interval")));
    }
    let kind = Tuple::kind("rate", ["time", "count", "per_second"].map(Into::into).to_vec());
    let row = |place: i64| {
        let count = counts.get(&place).copied().unwrap_or(0);
        let time = Time::from_nanos(place.saturating_mul(interval.as_nanos()));
        #[expect(clippy::cast_precision_loss, reason = "a rate is a float")]
        let per_second = count as f64 / interval.as_secs_f64();
        let values = vec![time.into(), count.into(), per_second.into()];
        Dynamic::from(std::sync::Arc::new(Tuple::new(kind.clone(), values)) as Row)
    };
    Ok((first..=last).map(row).collect::<Array>().into())
}

/// Numbers of rows, and whether they are durations.
#[derive(Default)]
struct Numbers {
    values: Vec<f64>,
    durations: bool,
}

impl Numbers {
    /// Reads the number that the key gives for each row.
    #[expect(clippy::cast_precision_loss, reason = "a spread over 2^53 needs no last digit")]
    fn read(
        context: &Context,
        call: &NativeCallContext<'_>,
        stream: &Stream,
        key: Dynamic,
        verb: &'static str,
    ) -> Result<Self> {
        let key = Key::new(key, verb)?;
        let caller = Caller::Native(call);
        let mut numbers = Self::default();
        let mut run = stream.consume(verb)?.run(key.fields(context), context)?;
        run.for_each(context, &caller, |item| {
            for value in key.values(&item, &caller)? {
                let number = match value {
                    Value::None => continue,
                    Value::Integer(x) => x as f64,
                    Value::Float(x) => x,
                    Value::Duration(x) => {
                        numbers.durations = true;
                        x.as_nanos() as f64
                    }
                    other => {
                        let message = format!("{verb} takes numbers or durations, and met {other}");
                        return Err(thrown(ErrorKind::Script, message));
                    }
                };
                if context.may_keep(numbers.values.len()) {
                    numbers.values.push(number);
                }
            }
            Ok(true)
        })?;
        Ok(numbers)
    }

    /// A number as the value that it was.
    #[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
    fn value(&self, number: f64) -> Value<'static> {
        match () {
            () if self.durations => Duration::from_nanos(number.round() as i64).into(),
            () if number.fract() == 0.0 && number.abs() < 9e15 => (number as i64).into(),
            () => number.into(),
        }
    }
}

fn histogram(context: &Context, call: &NativeCallContext<'_>, stream: &Stream, key: Dynamic) -> Result {
    let numbers = Numbers::read(context, call, stream, key, "histogram")?;
    // Bucket n holds 2^(n-1) <= x < 2^n; bucket 0 everything below 1.
    let mut buckets = std::collections::BTreeMap::<i32, i64>::new();
    for &number in &numbers.values {
        #[expect(clippy::cast_possible_truncation, reason = "the logarithm of an f64 is at most 1024")]
        let bucket = if number < 1.0 { 0 } else { number.log2().floor() as i32 + 1 };
        *buckets.entry(bucket).or_default() += 1;
    }
    let (Some((&first, _)), Some((&last, _))) = (buckets.first_key_value(), buckets.last_key_value()) else {
        return Ok(Array::new().into());
    };
    let kind = Tuple::kind("histogram", ["from", "to", "count"].map(Into::into).to_vec());
    let edge = |bucket: i32| if bucket < 0 { 0.0 } else { 2_f64.powi(bucket) };
    let row = |bucket: i32| {
        let from = numbers.value(edge(bucket - 1));
        let values = vec![from, numbers.value(edge(bucket)), buckets.get(&bucket).copied().unwrap_or(0).into()];
        Dynamic::from(std::sync::Arc::new(Tuple::new(kind.clone(), values)) as Row)
    };
    Ok((first..=last).map(row).collect::<Array>().into())
}

fn percentiles(context: &Context, call: &NativeCallContext<'_>, stream: &Stream, key: Dynamic) -> Result {
    let mut numbers = Numbers::read(context, call, stream, key, "percentiles")?;
    numbers.values.sort_by(f64::total_cmp);
    let sorted = &numbers.values;
    // Nearest rank: the smallest value that is not below the given share of all values.
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank")]
    let rank = |share: f64| {
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).map_or(Value::None, |&number| numbers.value(number))
    };
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    let mean =
        if sorted.is_empty() { Value::None } else { numbers.value(sorted.iter().sum::<f64>() / sorted.len() as f64) };
    let names = ["count", "min", "p50", "p90", "p95", "p99", "max", "mean"].map(Into::into).to_vec();
    let values = vec![sorted.len().into(), rank(0.0), rank(0.5), rank(0.9), rank(0.95), rank(0.99), rank(1.0), mean];
    Ok(Dynamic::from(Tuple::row("percentiles", names, values)))
}
