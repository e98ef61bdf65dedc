//! Rows that netscript wrote as NDJSON, read back in.

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use rhai::{Engine, EvalAltResult};

use super::super::context::{Context, Source};
use super::super::docs::{Entry, Group};
use super::super::error::{ErrorKind, thrown};
use super::super::permission::Permission;
use super::super::stream::{RowSource, Stream};
use super::KINDS;
use crate::record::{Duration, Kind, Row, Time, Tuple, Type, Value};

pub(crate) const ENTRIES: &[Entry] = &[Entry {
    name: "rows",
    signature: "rows() or rows(path) -> stream",
    group: Group::Noun,
    doc: "Rows of a file of NDJSON (without a path: of the run's source), such as eval --json writes. Fields that netscript knows get their types back.",
    example: "rows(\"requests.ndjson\").count_by(\"client\").table()",
    needs: Some(Permission::Capture),
}];

pub(super) fn register(engine: &mut Engine, context: &Rc<Context>) {
    let this = context.clone();
    engine.register_fn("rows", move |path: &str| {
        this.require(Permission::Capture, "rows()")?;
        read(Path::new(path))
    });
    let this = context.clone();
    engine.register_fn("rows", move || {
        this.require(Permission::Capture, "rows()")?;
        match &this.options.source {
            Some(Source::File(path)) => read(path),
            Some(Source::Stdin) => read(Path::new("/dev/stdin")),
            Some(Source::Live(_) | Source::Watched(_)) | None => {
                Err(thrown(ErrorKind::Usage, "rows() has no source; name a file with -r FILE, or rows(\"file\")"))
            }
        }
    });
}

/// Whether a file begins like NDJSON.
pub(super) fn is_ndjson(path: &Path) -> bool {
    let mut first = [0];
    File::open(path).is_ok_and(|mut file| file.read_exact(&mut first).is_ok()) && first == *b"{"
}

/// A longer line is not a row.
const MAX_LINE: u64 = 64 << 20;

/// The rows of a file.
pub(super) fn read(path: &Path) -> Result<Stream, Box<EvalAltResult>> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| thrown(ErrorKind::Input, format!("cannot read {name}: {error}")))?;
    let mut reader = BufReader::new(file);
    let mut number = 0_u64;
    let mut kind: Option<std::sync::Arc<Kind>> = None;
    let mut line = String::new();
    let rows = std::iter::from_fn(move || {
        loop {
            line.clear();
            number += 1;
            let fail = |what: String| Some(Err(thrown(ErrorKind::Input, format!("{name}, line {number}: {what}"))));
            match (&mut reader).take(MAX_LINE).read_line(&mut line) {
                Ok(0) => return None,
                Ok(_) if line.trim().is_empty() => continue,
                Ok(_) => {}
                Err(error) => return fail(error.to_string()),
            }
            return match serde_json::from_str::<serde_json::Value>(&line) {
                Ok(serde_json::Value::Object(object)) => Some(Ok(row(object, &mut kind))),
                Ok(_) => fail("a row is a JSON object".to_owned()),
                Err(error) => fail(error.to_string()),
            };
        }
    });
    Ok(Stream::new(RowSource::Rows(Rc::new(RefCell::new(rows)))))
}

/// A row with the fields of an object, in their order. Rows with the same fields share their kind.
fn row(object: serde_json::Map<String, serde_json::Value>, last: &mut Option<std::sync::Arc<Kind>>) -> Row {
    let same = |kind: &Kind| kind.fields.iter().map(|field| field.name.as_ref()).eq(object.keys().map(String::as_str));
    let kind = match last {
        Some(kind) if same(kind) => kind.clone(),
        _ => last.insert(Tuple::kind("row", object.keys().map(|name| name.clone().into()).collect())).clone(),
    };
    let values = object.into_iter().map(|(name, value)| typed(&name, value)).collect();
    std::sync::Arc::new(Tuple::new(kind, values))
}

/// A value, with the type that a field of that name has in netscript's own records.
fn typed(name: &str, value: serde_json::Value) -> Value<'static> {
    let ty = KINDS.iter().find_map(|kind| kind.index(name).map(|field| kind.fields[field].ty));
    match (ty, &value) {
        // Another kind may have a text of that name: flows end at a time, connections of a proxy for a reason.
        (Some(Type::Time), serde_json::Value::String(text)) => {
            text.parse::<Time>().map_or_else(|_| value.into(), Value::Time)
        }
        (Some(Type::Duration), serde_json::Value::Number(seconds)) =>
        {
            #[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
            seconds.as_f64().map(|seconds| Duration::from_nanos((seconds * 1e9).round() as i64)).into()
        }
        _ => value.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_two_kinds_keeps_what_it_has() {
        let typed = |text: &str| typed("end", text.into());
        assert!(matches!(typed("2026-11-20T17:02:00Z"), Value::Time(_)));
        assert!(matches!(typed("client closed"), Value::Text(text) if text == "client closed"));
    }
}
