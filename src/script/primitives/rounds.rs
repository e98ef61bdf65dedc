//! `every()`: what is done again and again, until somebody stops it.

use std::any::TypeId;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rhai::{Dynamic, Engine, EvalAltResult, Module};

use super::super::context::{Context, Farewell};
use super::super::docs::{Entry, Group};
use super::super::error::{ErrorKind, thrown};
use super::super::stream::Reading;
use super::super::value::parse_duration;
use super::helpers::sleep;
use crate::record;

pub(crate) const ENTRIES: &[Entry] = &[
    Entry {
        name: "every",
        signature: "every(interval) or every(interval, rounds) -> rounds",
        group: Group::Helper,
        doc: "Goes in rounds: for round in every(\"30s\") { … }. The first begins at once, the next when the interval is \
              over since the last one began, or when that one is done if it took longer; rounds are numbered from 1, and 0 \
              means without end. Ctrl-C and SIGTERM end the waiting and the rounds, and the script goes on behind them \
              with what it concludes; after SIGTERM it has 2 s for that.",
        example: "for round in every(\"1ms\", 3) { print(`round ${round}`) }",
        needs: None,
    },
    Entry {
        name: "is_stopping",
        signature: "is_stopping() -> bool",
        group: Group::Helper,
        doc: "Whether somebody asked to stop. What was observed since then may be cut short.",
        example: "for round in every(\"1ms\", 3) { if is_stopping() { break; } }",
        needs: None,
    },
];

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

/// What `for` goes over.
#[derive(Clone)]
struct Every {
    interval: record::Duration,
    rounds: i64,
}

pub(super) fn register(engine: &mut Engine, context: &Rc<Context>) {
    engine.register_type_with_name::<Every>("rounds");
    engine.register_fn("every", |interval: record::Duration| every(interval, 0));
    engine.register_fn("every", every);
    engine.register_fn("every", |interval: &str| every(parse_duration(interval)?, 0));
    engine.register_fn("every", |interval: &str, rounds: i64| every(parse_duration(interval)?, rounds));
    let this = context.clone();
    engine.register_fn("is_stopping", move || this.cancel.is_requested());

    let context = context.clone();
    let mut module = Module::new();
    module.set_iter_result(TypeId::of::<Every>(), move |every| {
        context.farewell.set(Farewell::Granted);
        let every = every.cast::<Every>();
        Box::new(Rounds {
            every,
            done: 0,
            begun: None,
            context: context.clone(),
            _reading: Reading::new(&context.reading),
        })
    });
    engine.register_global_module(module.into());
}

fn every(interval: record::Duration, rounds: i64) -> Result<Every> {
    if interval <= record::Duration::ZERO {
        return Err(thrown(
            ErrorKind::Usage,
            format!("every() takes an interval such as \"30s\", and was given {interval}"),
        ));
    }
    if rounds < 0 {
        let message = format!("every() takes a number of rounds, 0 for no end, and was given {rounds}");
        return Err(thrown(ErrorKind::Usage, message));
    }
    Ok(Every { interval, rounds })
}

/// The rounds of a `for` loop.
struct Rounds {
    every: Every,
    done: i64,
    /// When the last round began.
    begun: Option<Instant>,
    context: Rc<Context>,
    /// An interruption ends the rounds, and not the script.
    _reading: Reading,
}

impl Iterator for Rounds {
    type Item = Result<Dynamic>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.every.rounds > 0 && self.done == self.every.rounds {
            return None;
        }
        if let Some(begun) = self.begun {
            let interval = Duration::from_nanos(self.every.interval.as_nanos().unsigned_abs());
            let left = interval.saturating_sub(begun.elapsed());
            if let Err(error) = sleep(&self.context, left.into()) {
                return Some(Err(error));
            }
        }
        if self.context.cancel.is_requested() {
            return None;
        }
        self.begun = Some(Instant::now());
        self.done += 1;
        Some(Ok(self.done.into()))
    }
}

impl Drop for Rounds {
    fn drop(&mut self) {
        // An interruption has ended the rounds; an abort stays.
        self.context.cancel.obeyed();
    }
}
