//! Verbs that give another stream: nothing is read yet.

use super::super::docs::{Entry, Group};
use super::super::plan::{Key, Step};
use super::super::stream::Stream;
use super::{Verbs, closure_argument, rows_argument};

pub(crate) const ENTRIES: &[Entry] = &[
    Entry {
        name: "filter",
        signature: "filter(|row| condition) -> stream",
        group: Group::Verb,
        doc: "Keeps the rows for which the closure says true.",
        example: "http_requests().filter(|r| r.status == 401).count()",
        needs: None,
    },
    Entry {
        name: "map",
        signature: "map(|row| value) -> stream of values",
        group: Group::Verb,
        doc: "Replaces each row by what the closure makes of it.",
        example: "http_requests().map(|r| `${r.method} ${r.path}`).first()",
        needs: None,
    },
    Entry {
        name: "take",
        signature: "take(n) -> stream",
        group: Group::Verb,
        doc: "Ends after n rows; what comes behind them is not read.",
        example: "flows().take(3).table()",
        needs: None,
    },
    Entry {
        name: "distinct",
        signature: "distinct(key) -> stream",
        group: Group::Verb,
        doc: "Keeps the first row for each key. A key is a closure, a field, or an array of fields.",
        example: "http_requests().distinct(\"client\").map(|r| r.client).to_array()",
        needs: None,
    },
];

pub(super) fn register(verbs: &mut Verbs<'_>) {
    verbs.stream_with_one("filter", |_, _, stream: &Stream, closure| {
        stream.with("filter", Step::Filter(closure_argument(closure, "filter")?))
    });
    verbs.stream_with_one("map", |_, _, stream: &Stream, closure| {
        stream.with("map", Step::Map(closure_argument(closure, "map")?))
    });
    verbs
        .with_one("take", |_, _, stream: &Stream, rows| stream.with("take", Step::Take(rows_argument(&rows, "take")?)));
    verbs.with_one("distinct", |_, _, stream: &Stream, key| {
        stream.with("distinct", Step::Distinct(Key::new(key, "distinct")?))
    });
}
