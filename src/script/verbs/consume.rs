//! Verbs that read a stream and give a plain value.

use rhai::{Array, Dynamic, NativeCallContext};

use super::super::context::Context;
use super::super::docs::{Entry, Group};
use super::super::plan::{Caller, Fields, Item, fields_read};
use super::super::stream::Stream;
use super::{Result, Verbs, closure_argument};

pub(crate) const ENTRIES: &[Entry] = &[
    Entry {
        name: "count",
        signature: "count() -> integer",
        group: Group::Verb,
        doc: "How many rows there are.",
        example: "capture(\"tcp\").count()",
        needs: None,
    },
    Entry {
        name: "first",
        signature: "first() -> row or ()",
        group: Group::Verb,
        doc: "The first row, or () if there is none. Nothing behind it is read.",
        example: "http_requests().first()",
        needs: None,
    },
    Entry {
        name: "find",
        signature: "find(|row| condition) -> row or ()",
        group: Group::Verb,
        doc: "The first row for which the closure says true, or () if there is none.",
        example: "http_requests().find(|r| r.status >= 400)",
        needs: None,
    },
    Entry {
        name: "some",
        signature: "some(|row| condition) -> bool",
        group: Group::Verb,
        doc: "Whether the closure says true for any row.",
        example: "http_requests().some(|r| r.status == 401)",
        needs: None,
    },
    Entry {
        name: "all",
        signature: "all(|row| condition) -> bool",
        group: Group::Verb,
        doc: "Whether the closure says true for every row.",
        example: "flows().all(|f| f.resets == 0)",
        needs: None,
    },
    Entry {
        name: "reduce",
        signature: "reduce(|sum, row| sum, start) -> value",
        group: Group::Verb,
        doc: "Folds all rows into one value, from a start value.",
        example: "flows().reduce(|sum, f| sum + f.bytes, 0)",
        needs: None,
    },
    Entry {
        name: "for_each",
        signature: "for_each(|row| …)",
        group: Group::Verb,
        doc: "Calls the closure with every row.",
        example: "flows(\"tcp\").for_each(|f| print(`${f.client} ${f.state}`))",
        needs: None,
    },
    Entry {
        name: "to_array",
        signature: "to_array() -> array",
        group: Group::Verb,
        doc: "All rows in an array; more than the limit of rows are counted as lost.",
        example: "flows().to_array().len()",
        needs: None,
    },
];

pub(super) fn register(verbs: &mut Verbs<'_>) {
    verbs.plain("count", count);
    verbs.plain("first", |context: &Context, call, stream| first(context, call, stream, "first", |_| Ok(true)));
    verbs.plain("to_array", |context: &Context, call: &NativeCallContext<'_>, stream: &Stream| {
        collect(context, call, stream, "to_array").map(Dynamic::from_array)
    });
    verbs.stream_with_one("find", |context: &Context, call: &NativeCallContext<'_>, stream: &Stream, closure| {
        let closure = closure_argument(closure, "find")?;
        let caller = Caller::Native(call);
        first(context, call, stream, "find", |item| caller.test(&closure, item.clone()))
    });
    verbs.stream_with_one("some", |context: &Context, call: &NativeCallContext<'_>, stream: &Stream, closure| {
        exists(context, call, stream, closure, "some", true)
    });
    verbs.stream_with_one("all", |context: &Context, call: &NativeCallContext<'_>, stream: &Stream, closure| {
        exists(context, call, stream, closure, "all", false).map(|found| !found)
    });
    verbs.with_one("for_each", |context: &Context, call: &NativeCallContext<'_>, stream: &Stream, closure| {
        let closure = closure_argument(closure, "for_each")?;
        let caller = Caller::Native(call);
        let mut run = stream.consume("for_each")?.run(fields_read(&closure, context), context)?;
        run.for_each(context, &caller, |item| caller.call(&closure, item).map(|_| true))
    });
    let context = verbs.context.clone();
    verbs.engine.register_fn(
        "reduce",
        move |call: NativeCallContext<'_>, stream: &mut Stream, closure: rhai::FnPtr, start: Dynamic| {
            let mut sum = start;
            let mut run = stream.consume("reduce")?.run(fields_read(&closure, &context), &context)?;
            run.for_each(&context, &Caller::Native(&call), |item| {
                sum = closure.call_raw(&call, None, [std::mem::take(&mut sum), item.into_dynamic()])?;
                Ok(true)
            })?;
            Result::Ok(sum)
        },
    );
}

fn count(context: &Context, call: &NativeCallContext<'_>, stream: &Stream) -> Result<i64> {
    let mut rows = 0;
    let mut run = stream.consume("count")?.run(Fields::none(), context)?;
    run.for_each(context, &Caller::Native(call), |_| {
        rows += 1;
        Ok(true)
    })?;
    Ok(rows)
}

/// The first row that passes the test; reads no further.
fn first(
    context: &Context,
    call: &NativeCallContext<'_>,
    stream: &Stream,
    verb: &'static str,
    test: impl Fn(&Item) -> Result<bool>,
) -> Result {
    let mut found = Dynamic::UNIT;
    let mut run = stream.consume(verb)?.run(Fields::All, context)?;
    run.for_each(context, &Caller::Native(call), |item| {
        let matches = test(&item)?;
        if matches {
            found = item.into_dynamic();
        }
        Ok(!matches)
    })?;
    Ok(found)
}

/// Whether there is a row for which the closure gives that answer.
fn exists(
    context: &Context,
    call: &NativeCallContext<'_>,
    stream: &Stream,
    closure: Dynamic,
    verb: &'static str,
    answer: bool,
) -> Result<bool> {
    let closure = closure_argument(closure, verb)?;
    let caller = Caller::Native(call);
    let mut found = false;
    let mut run = stream.consume(verb)?.run(fields_read(&closure, context), context)?;
    run.for_each(context, &caller, |item| {
        found = caller.test(&closure, item)? == answer;
        Ok(!found)
    })?;
    Ok(found)
}

/// All rows, as far as the limit allows.
pub(super) fn collect(
    context: &Context,
    call: &NativeCallContext<'_>,
    stream: &Stream,
    verb: &'static str,
) -> Result<Array> {
    let mut rows = Array::new();
    let mut run = stream.consume(verb)?.run(context.kept_fields(), context)?;
    run.for_each(context, &Caller::Native(call), |item| {
        if context.may_keep(rows.len()) {
            rows.push(item.into_dynamic());
        }
        Ok(true)
    })?;
    Ok(rows)
}
