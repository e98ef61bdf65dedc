//! Values between records and Rhai: rows with their getters, times, durations.

use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString, Map};

use super::error::{ErrorKind, thrown};
use crate::nearest::suggestion;
use crate::record::{Duration, Kind, Row, Time, Tuple, Value};

/// A value of a record as a script sees it.
///
/// Addresses are texts; bytes are a text where they are UTF-8 and a blob where they are not; what is not there is `()`.
pub(crate) fn to_dynamic(value: Value<'_>) -> Dynamic {
    match value {
        Value::None => Dynamic::UNIT,
        Value::Bool(x) => x.into(),
        Value::Integer(x) => x.into(),
        Value::Float(x) => x.into(),
        Value::Text(x) => ImmutableString::from(x.as_ref()).into(),
        Value::Bytes(x) => match std::str::from_utf8(&x) {
            Ok(text) => ImmutableString::from(text).into(),
            Err(_) => Dynamic::from_blob(x.into_owned()),
        },
        Value::Time(x) => Dynamic::from(x),
        Value::Duration(x) => Dynamic::from(x),
        Value::Address(x) => x.to_string().into(),
        Value::List(x) => x.into_iter().map(to_dynamic).collect::<Array>().into(),
        Value::Map(x) => {
            let mut map = Map::new();
            for (name, value) in x {
                // A name that repeats (Set-Cookie) has a list.
                match map.entry(name.as_ref().into()) {
                    std::collections::btree_map::Entry::Vacant(place) => {
                        place.insert(to_dynamic(value));
                    }
                    std::collections::btree_map::Entry::Occupied(mut place) => {
                        let present = place.get_mut();
                        if !present.is_array() {
                            *present = Dynamic::from_array(vec![present.take()]);
                        }
                        if let Some(mut list) = present.write_lock::<Array>() {
                            list.push(to_dynamic(value));
                        }
                    }
                }
            }
            map.into()
        }
        Value::Record(x) => Dynamic::from(x),
    }
}

/// A value of a script, independent of it.
pub(crate) fn from_dynamic(value: &Dynamic) -> Value<'static> {
    if let Some(row) = value.read_lock::<Row>() {
        return Value::Record(row.clone());
    }
    if let Some(time) = value.read_lock::<Time>() {
        return Value::Time(*time);
    }
    if let Some(duration) = value.read_lock::<Duration>() {
        return Value::Duration(*duration);
    }
    if let Some(array) = value.read_lock::<Array>() {
        return Value::List(array.iter().map(from_dynamic).collect());
    }
    if let Some(map) = value.read_lock::<Map>() {
        return Value::Map(map.iter().map(|(k, v)| (k.to_string().into(), from_dynamic(v))).collect());
    }
    if let Some(blob) = value.read_lock::<rhai::Blob>() {
        return Value::Bytes(blob.clone().into());
    }
    match () {
        () if value.is_unit() => Value::None,
        () if value.is_bool() => Value::Bool(value.as_bool().unwrap_or_default()),
        () if value.is_int() => Value::Integer(value.as_int().unwrap_or_default()),
        () if value.is_float() => Value::Float(value.as_float().unwrap_or_default()),
        () => Value::Text(value.to_string().into()),
    }
}

/// A value of a script as a row: a record as it is, a map with a column for each key, anything else as `value`.
pub(crate) fn to_row(value: &Dynamic) -> Row {
    match from_dynamic(value) {
        Value::Record(row) => row,
        Value::Map(entries) => {
            let (names, values): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
            Tuple::row("row", names, values)
        }
        value => Tuple::row("value", vec!["value".into()], vec![value]),
    }
}

/// Registers rows, times and durations.
pub(crate) fn register(engine: &mut Engine, kinds: &'static [&'static Kind]) {
    register_rows(engine, kinds);
    register_times(engine);
    register_absent(engine, kinds);
}

/// One getter for each name that any kind of record has. Where the field stands in each kind is looked up beforehand.
fn register_rows(engine: &mut Engine, kinds: &'static [&'static Kind]) {
    engine.register_type_with_name::<Row>("record");
    let mut names: Vec<&str> = kinds.iter().flat_map(|kind| kind.fields.iter().map(|f| f.name.as_ref())).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let places = kinds.iter().filter_map(|kind| Some((*kind, kind.index(name)?)));
        let places: Rc<[(&Kind, usize)]> = places.collect();
        engine.register_get(name, move |row: &mut Row| {
            match places.iter().find(|(kind, _)| std::ptr::eq(*kind, row.kind())) {
                Some(&(_, field)) => Ok(to_dynamic(row.value(field))),
                None => field(row, name),
            }
        });
    }
    // Names that no kind declares come here: columns of groups, and mistakes.
    engine.register_indexer_get(|row: &mut Row, name: ImmutableString| field(row, &name));
    engine.register_fn("to_string", |row: &mut Row| row.summary());
    engine.register_fn("to_debug", |row: &mut Row| serde_json::to_string(row.as_ref()).unwrap_or_default());
    engine.register_fn("kind", |row: &mut Row| row.kind().name.to_string());
    engine.register_fn("keys", |row: &mut Row| {
        row.kind().fields.iter().map(|f| Dynamic::from(f.name.to_string())).collect::<Array>()
    });
}

/// The value of a field, or what to say of one that is not there.
fn field(row: &Row, name: &str) -> Result<Dynamic, Box<EvalAltResult>> {
    row.get(name).map(to_dynamic).ok_or_else(|| {
        let kind = row.kind();
        let hint = suggestion(name, kind.fields.iter().map(|f| f.name.as_ref()));
        thrown(ErrorKind::Script, format!("`{name}` is not a field of {}{hint}", kind.name))
    })
}

pub(crate) fn parse_duration(text: &str) -> Result<Duration, Box<EvalAltResult>> {
    text.parse().map_err(|error: crate::record::ParseDurationError| thrown(ErrorKind::Usage, error.to_string()))
}

fn register_times(engine: &mut Engine) {
    engine.register_type_with_name::<Time>("time").register_type_with_name::<Duration>("duration");
    engine.register_fn("to_string", |time: &mut Time| time.to_string());
    engine.register_fn("to_debug", |time: &mut Time| time.to_string());
    engine.register_fn("to_string", |span: &mut Duration| span.to_string());
    engine.register_fn("to_debug", |span: &mut Duration| span.to_string());
    engine.register_fn("duration", |text: &str| parse_duration(text));
    engine.register_get("nanoseconds", |time: &mut Time| time.as_nanos());
    engine.register_get("nanoseconds", |span: &mut Duration| span.as_nanos());
    engine.register_get("seconds", |span: &mut Duration| span.as_secs_f64());
    engine.register_fn("-", |a: Time, b: Time| a - b);
    engine.register_fn("-", |a: Time, b: Duration| a - b);
    engine.register_fn("+", |a: Time, b: Duration| a + b);
    engine.register_fn("-", |a: Duration, b: Duration| a - b);
    engine.register_fn("+", |a: Duration, b: Duration| a + b);

    macro_rules! compare {
        ($($name:literal $op:tt),*) => { $(
            engine.register_fn($name, |a: Time, b: Time| a $op b);
            engine.register_fn($name, |a: Duration, b: Duration| a $op b);
            engine.register_fn($name, |a: Duration, b: &str| parse_duration(b).map(|b| a $op b));
            engine.register_fn($name, |a: &str, b: Duration| parse_duration(a).map(|a| a $op b));
        )* };
    }
    compare!("==" ==, "!=" !=, "<" <, "<=" <=, ">" >, ">=" >=);
}

/// What is not there answers questions with "no", so that a filter need not ask first whether a response has come.
fn register_absent(engine: &mut Engine, kinds: &'static [&'static Kind]) {
    for name in ["starts_with", "ends_with", "contains"] {
        engine.register_fn(name, |(): (), _: &str| false);
    }
    engine.register_fn("len", |(): ()| 0_i64);
    let nested = kinds.iter().filter(|kind| kind.name == "credential").flat_map(|kind| kind.fields.iter());
    for field in nested {
        engine.register_get(field.name.as_ref(), |_: &mut ()| ());
    }
}
