//! Verbs that bring rows with the same key together.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use hashbrown::HashMap;
use rhai::{Array, Dynamic, NativeCallContext};

use super::super::context::Context;
use super::super::docs::{Entry, Group};
use super::super::error::{ErrorKind, thrown};
use super::super::plan::{Caller, Item, Key, encode};
use super::super::stream::Stream;
use super::super::value::to_row;
use super::{Result, Verbs, consume, rows_argument};
use crate::record::{Duration, Kind, Row, Tuple, Value};

pub(crate) const ENTRIES: &[Entry] = &[
    Entry {
        name: "count_by",
        signature: "count_by(key) -> array of rows with the key and `count`",
        group: Group::Verb,
        doc: "How many rows there are for each key, the most first. A key is a closure, a field, or an array of fields.",
        example: "http_requests().count_by(|r| [r.client, r.status]).table()",
        needs: None,
    },
    Entry {
        name: "sum_by",
        signature: "sum_by(key, value) -> array of rows with the key and the sum",
        group: Group::Verb,
        doc: "The sum of a number or duration for each key, the most first. The sum has the name of the field that it is of.",
        example: "flows().sum_by(\"client\", \"bytes\").table()",
        needs: None,
    },
    Entry {
        name: "group_by",
        signature: "group_by(key) -> array of rows with the key, `count` and `rows`",
        group: Group::Verb,
        doc: "The rows of each key, in the order in which the keys first came.",
        example: "for g in http_requests().group_by(\"client\") { print(`${g.client}: ${g.rows[0].path}`); }",
        needs: None,
    },
    Entry {
        name: "top",
        signature: "top(n) or top(n, key) -> array",
        group: Group::Verb,
        doc: "The n rows with the largest key; without a key, by what count_by or sum_by measured.",
        example: "flows().top(3, \"bytes\").table([\"client\", \"server\", \"bytes\"])",
        needs: None,
    },
    Entry {
        name: "sort_by",
        signature: "sort_by(key) -> array",
        group: Group::Verb,
        doc: "All rows, the smallest key first. Rows with equal keys keep their order.",
        example: "flows().sort_by(\"start\").table()",
        needs: None,
    },
];

pub(super) fn register(verbs: &mut Verbs<'_>) {
    verbs.with_one("count_by", count_by);
    verbs.with_two("sum_by", sum_by);
    verbs.with_one("group_by", group_by);
    verbs.with_one("top", |context: &Context, call: &NativeCallContext<'_>, stream: &Stream, rows| {
        top(context, call, stream, &rows, None)
    });
    verbs.with_two("top", |context: &Context, call: &NativeCallContext<'_>, stream: &Stream, rows, key| {
        top(context, call, stream, &rows, Some(Key::new(key, "top")?))
    });
    verbs.with_one("sort_by", sort_by);
}

/// Something kept for each key.
struct Groups<T> {
    places: HashMap<Box<[u8]>, usize>,
    groups: Vec<(Vec<Value<'static>>, T)>,
    buffer: Vec<u8>,
}

impl<T: Default> Groups<T> {
    fn new() -> Self {
        Self { places: HashMap::new(), groups: Vec::new(), buffer: Vec::new() }
    }

    /// What is kept for a key, unless it is new and there are as many as the limit allows.
    fn entry(&mut self, key: Vec<Value<'_>>, context: &Context) -> Option<&mut T> {
        encode(&key, &mut self.buffer);
        let place = match self.places.get(&self.buffer[..]) {
            Some(&place) => place,
            None if !context.may_keep(self.groups.len()) => return None,
            None => {
                self.groups.push((key.into_iter().map(Value::into_owned).collect(), T::default()));
                self.places.insert(self.buffer.as_slice().into(), self.groups.len() - 1);
                self.groups.len() - 1
            }
        };
        Some(&mut self.groups[place].1)
    }
}

/// Rows with the columns of a key and others behind them. Keys with fewer values than columns are filled up.
fn rows(
    name: &'static str,
    mut columns: Vec<Cow<'static, str>>,
    others: &[&str],
    groups: impl Iterator<Item = (Vec<Value<'static>>, Vec<Value<'static>>)>,
) -> Array {
    let groups: Vec<_> = groups.collect();
    let widest = groups.iter().map(|(key, _)| key.len()).max().unwrap_or(columns.len());
    if widest > columns.len() {
        columns = (1..=widest).map(|i| Cow::Owned(format!("key{i}"))).collect();
    }
    let width = columns.len();
    // A column that is called like a measure would hide it.
    for column in &mut columns {
        if others.contains(&column.as_ref()) {
            *column = Cow::Owned(format!("{column}_key"));
        }
    }
    columns.extend(others.iter().map(|&other| Cow::Owned(other.to_owned())));
    let kind: Arc<Kind> = Tuple::kind(name, columns);
    let row = |(mut key, others): (Vec<_>, Vec<_>)| {
        key.resize(width, Value::None);
        key.extend(others);
        Dynamic::from(Arc::new(Tuple::new(kind.clone(), key)) as Row)
    };
    groups.into_iter().map(row).collect()
}

fn count_by(context: &Context, call: &NativeCallContext<'_>, stream: &Stream, key: Dynamic) -> Result {
    let key = Key::new(key, "count_by")?;
    let caller = Caller::Native(call);
    let mut groups = Groups::<i64>::new();
    let mut run = stream.consume("count_by")?.run(key.fields(context), context)?;
    run.for_each(context, &caller, |item| {
        if let Some(count) = groups.entry(key.values(&item, &caller)?, context) {
            *count += 1;
        }
        Ok(true)
    })?;
    let mut counted = groups.groups;
    counted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let counted = counted.into_iter().map(|(key, count)| (key, vec![count.into()]));
    Ok(rows("count", key.columns(context), &["count"], counted).into())
}

/// A sum of integers, of floats, or of durations.
#[derive(Default)]
enum Sum {
    #[default]
    Nothing,
    Integer(i64),
    Float(f64),
    Duration(Duration),
}

impl Sum {
    #[expect(clippy::cast_precision_loss, reason = "a sum of integers and floats is a float")]
    fn add(&mut self, value: &Value<'_>) -> Result<()> {
        *self = match (std::mem::take(self), value) {
            (sum, Value::None) => sum,
            (Self::Nothing, Value::Integer(x)) => Self::Integer(*x),
            (Self::Nothing, Value::Float(x)) => Self::Float(*x),
            (Self::Nothing, Value::Duration(x)) => Self::Duration(*x),
            (Self::Integer(sum), Value::Integer(x)) => Self::Integer(sum.saturating_add(*x)),
            (Self::Integer(sum), Value::Float(x)) => Self::Float(sum as f64 + x),
            (Self::Float(sum), Value::Integer(x)) => Self::Float(sum + *x as f64),
            (Self::Float(sum), Value::Float(x)) => Self::Float(sum + x),
            (Self::Duration(sum), Value::Duration(x)) => Self::Duration(sum + *x),
            _ => return Err(thrown(ErrorKind::Script, format!("sum_by adds numbers or durations, and met {value}"))),
        };
        Ok(())
    }

    fn value(self) -> Value<'static> {
        match self {
            Self::Nothing => Value::Integer(0),
            Self::Integer(x) => x.into(),
            Self::Float(x) => x.into(),
            Self::Duration(x) => x.into(),
        }
    }
}

fn sum_by(context: &Context, call: &NativeCallContext<'_>, stream: &Stream, key: Dynamic, value: Dynamic) -> Result {
    let (key, value) = (Key::new(key, "sum_by")?, Key::new(value, "sum_by")?);
    let caller = Caller::Native(call);
    let mut groups = Groups::<Sum>::new();
    let mut fields = key.fields(context);
    fields.add(value.fields(context));
    let mut run = stream.consume("sum_by")?.run(fields, context)?;
    run.for_each(context, &caller, |item| {
        if let Some(sum) = groups.entry(key.values(&item, &caller)?, context) {
            value.values(&item, &caller)?.iter().try_for_each(|value| sum.add(value))?;
        }
        Ok(true)
    })?;
    let name = value.columns(context);
    let name = match &name[..] {
        [name] if name != "key" => name.clone(),
        _ => Cow::Borrowed("sum"),
    };
    let mut sums: Vec<_> = groups.groups.into_iter().map(|(key, sum)| (key, vec![sum.value()])).collect();
    sums.sort_by(|(_, a), (_, b)| compare(b, a));
    Ok(rows("sum", key.columns(context), &[&name], sums.into_iter()).into())
}

fn group_by(context: &Context, call: &NativeCallContext<'_>, stream: &Stream, key: Dynamic) -> Result {
    let key = Key::new(key, "group_by")?;
    let caller = Caller::Native(call);
    let mut groups = Groups::<Vec<Value<'static>>>::new();
    let mut kept = 0;
    let mut run = stream.consume("group_by")?.run(context.kept_fields(), context)?;
    run.for_each(context, &caller, |item| {
        if context.may_keep(kept)
            && let Some(rows) = groups.entry(key.values(&item, &caller)?, context)
        {
            kept += 1;
            rows.push(match &item {
                Item::Row(row) => Value::Record(row.clone()),
                Item::Value(value) => super::super::value::from_dynamic(value),
            });
        }
        Ok(true)
    })?;
    let groups = groups.groups.into_iter().map(|(key, rows)| (key, vec![rows.len().into(), Value::List(rows)]));
    Ok(rows("group", key.columns(context), &["count", "rows"], groups).into())
}

/// How values are ordered: numbers, times and durations by size, texts by their characters, nothing first.
fn compare(a: &[Value<'_>], b: &[Value<'_>]) -> Ordering {
    fn number(value: &Value<'_>) -> Option<f64> {
        match value {
            #[expect(clippy::cast_precision_loss, reason = "only to compare an integer with a float")]
            Value::Integer(x) => Some(*x as f64),
            Value::Float(x) => Some(*x),
            _ => None,
        }
    }
    let one = |(a, b): (&Value<'_>, &Value<'_>)| match (a, b) {
        (Value::None, Value::None) => Ordering::Equal,
        (Value::None, _) => Ordering::Less,
        (_, Value::None) => Ordering::Greater,
        (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
        (Value::Time(a), Value::Time(b)) => a.cmp(b),
        (Value::Duration(a), Value::Duration(b)) => a.cmp(b),
        (Value::Address(a), Value::Address(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        _ => match (number(a), number(b)) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => a.to_string().cmp(&b.to_string()),
        },
    };
    a.iter().zip(b).map(one).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// All rows with their keys; without a key by their last field, which is what was measured.
fn keyed(
    context: &Context,
    call: &NativeCallContext<'_>,
    stream: &Stream,
    key: Option<&Key>,
    verb: &'static str,
) -> Result<Vec<(Vec<Value<'static>>, Dynamic)>> {
    let caller = Caller::Native(call);
    let rows = consume::collect(context, call, stream, verb)?;
    let keyed = rows.into_iter().map(|row| {
        let values = match key {
            Some(key) => {
                let item = Item::from_dynamic(row.clone());
                key.values(&item, &caller)?.into_iter().map(Value::into_owned).collect()
            }
            None => {
                let row = to_row(&row);
                let measure = row.kind().fields.iter().rposition(|f| !f.name.is_empty() && f.name != "rows");
                measure.map(|field| row.value(field).into_owned()).into_iter().collect()
            }
        };
        Ok((values, row))
    });
    keyed.collect()
}

fn top(context: &Context, call: &NativeCallContext<'_>, stream: &Stream, rows: &Dynamic, key: Option<Key>) -> Result {
    let rows = rows_argument(rows, "top")?;
    if let (None, Ok(Some(kind))) = (&key, stream.with_plan(super::super::stream::Plan::kind)) {
        return Err(thrown(
            ErrorKind::Usage,
            format!("top({rows}) needs to know by what to order {} rows: top({rows}, \"bytes\")", kind.name),
        ));
    }
    let mut keyed = keyed(context, call, stream, key.as_ref(), "top")?;
    keyed.sort_by(|(a, _), (b, _)| compare(b, a));
    keyed.truncate(rows);
    Ok(keyed.into_iter().map(|(_, row)| row).collect::<Array>().into())
}

fn sort_by(context: &Context, call: &NativeCallContext<'_>, stream: &Stream, key: Dynamic) -> Result {
    let key = Key::new(key, "sort_by")?;
    let mut keyed = keyed(context, call, stream, Some(&key), "sort_by")?;
    keyed.sort_by(|(a, _), (b, _)| compare(a, b));
    Ok(keyed.into_iter().map(|(_, row)| row).collect::<Array>().into())
}
