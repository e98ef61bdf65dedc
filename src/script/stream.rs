//! Streams as scripts hold them: a plan until they are read, then a source with the state of each step.

use std::any::TypeId;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, EvalAltResult};

use super::context::Context;
use super::error::{ErrorKind, thrown};
use super::plan::{Caller, Fields, Item, Step, encode, fields_read};
use super::source::{Noun, Tap};
use crate::record::{Kind, Row};

/// Rows that come one by one, once.
#[derive(Clone)]
pub(crate) struct Stream(Rc<RefCell<State>>);

enum State {
    /// Not read yet: steps can be added.
    Planned(Plan),
    /// Taken by this verb.
    Consumed(&'static str),
}

/// Where rows come from, and what is done with them.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) source: RowSource,
    pub(crate) steps: Vec<Step>,
}

/// Where the rows of a stream come from.
#[derive(Clone)]
pub(crate) enum RowSource {
    Capture(Tap),
    /// An array, in reverse order.
    Array(Array),
    /// Rows that are made one by one.
    Rows(Rc<RefCell<dyn Iterator<Item = Result<Row, Box<EvalAltResult>>>>>),
}

impl Stream {
    pub(crate) fn new(source: RowSource) -> Self {
        Self(Rc::new(RefCell::new(State::Planned(Plan { source, steps: Vec::new() }))))
    }

    pub(crate) fn of_array(mut array: Array) -> Self {
        array.reverse();
        Self::new(RowSource::Array(array))
    }

    /// Takes the plan out, for a verb. A stream is read once.
    pub(crate) fn consume(&self, verb: &'static str) -> Result<Plan, Box<EvalAltResult>> {
        match std::mem::replace(&mut *self.0.borrow_mut(), State::Consumed(verb)) {
            State::Planned(plan) => Ok(plan),
            State::Consumed(earlier) => Err(thrown(
                ErrorKind::Usage,
                format!(
                    "this stream was consumed by {earlier}(); a stream is read once, so keep its rows with to_array() \
                     or ask for a new one"
                ),
            )),
        }
    }

    /// The same stream with one more step.
    pub(crate) fn with(&self, verb: &'static str, step: Step) -> Result<Self, Box<EvalAltResult>> {
        let mut plan = self.consume(verb)?;
        // While nothing but filters stand before it, a filter works where rows are handed out: what it turns away is
        // not kept for streams that are read later.
        if let (RowSource::Capture(tap), Step::Filter(closure)) = (&plan.source, &step)
            && plan.steps.iter().all(|step| matches!(step, Step::Filter(_)))
        {
            tap.filter_by(closure.clone());
        }
        plan.steps.push(step);
        Ok(Self(Rc::new(RefCell::new(State::Planned(plan)))))
    }

    /// A stream of other rows from the same capture.
    pub(crate) fn derive(&self, noun: &'static Noun) -> Result<Self, Box<EvalAltResult>> {
        let state = self.0.borrow();
        match &*state {
            State::Planned(Plan { source: RowSource::Capture(tap), steps }) if steps.is_empty() => {
                Ok(Self::new(RowSource::Capture(tap.derive(noun)?)))
            }
            State::Planned(_) => Err(thrown(
                ErrorKind::Usage,
                format!(
                    "{}() is derived from a capture itself; put conditions on packets into its filter: \
                     capture(\"tcp port 80\").{}()",
                    noun.name, noun.name
                ),
            )),
            State::Consumed(_) => {
                drop(state);
                self.consume(noun.name).map(|_| self.clone())
            }
        }
    }

    /// What it would do, if it has not been read.
    pub(crate) fn with_plan<T>(&self, look: impl FnOnce(&Plan) -> T) -> Result<T, Box<EvalAltResult>> {
        match &*self.0.borrow() {
            State::Planned(plan) => Ok(look(plan)),
            State::Consumed(verb) => Err(thrown(ErrorKind::Usage, format!("this stream was consumed by {verb}()"))),
        }
    }
}

impl Plan {
    /// The kind of its rows, where no closure makes them.
    pub(crate) fn kind(&self) -> Option<&'static Kind> {
        match &self.source {
            RowSource::Capture(tap) if !self.steps.iter().any(|s| matches!(s, Step::Map(_))) => Some(tap.noun().kind),
            _ => None,
        }
    }

    /// Whether its rows are captured while it is read.
    pub(crate) fn is_live(&self) -> bool {
        matches!(&self.source, RowSource::Capture(tap) if tap.is_live())
    }

    /// The fields of the source's rows that the steps read and that what follows reads.
    pub(crate) fn fields(&self, then: Fields, context: &Context) -> Fields {
        let mut fields = Fields::none();
        for step in &self.steps {
            match step {
                Step::Filter(closure) => fields.add(fields_read(closure, context)),
                Step::Map(closure) => {
                    fields.add(fields_read(closure, context));
                    return fields;
                }
                Step::Take(_) => {}
                Step::Distinct(key) => fields.add(key.fields(context)),
            }
        }
        fields.add(then);
        fields
    }

    /// Begins to read; `then` is what will be read of the rows that it gives.
    pub(crate) fn run(self, then: Fields, context: &Context) -> Result<Run, Box<EvalAltResult>> {
        if let RowSource::Capture(tap) = &self.source {
            tap.want(self.fields(then, context))?;
        }
        let from_capture = matches!(self.source, RowSource::Capture(_));
        let steps = self.steps.into_iter().skip_while(|step| from_capture && matches!(step, Step::Filter(_)));
        let steps = steps.map(|step| match step {
            Step::Filter(closure) => Running::Filter(closure),
            Step::Map(closure) => Running::Map(closure),
            Step::Take(rows) => Running::Take(rows),
            Step::Distinct(key) => Running::Distinct(key, HashSet::new()),
        });
        Ok(Run { source: self.source, steps: steps.collect(), buffer: Vec::new(), read: 0, ended: false })
    }
}

/// A step with what it has to remember.
enum Running {
    Filter(rhai::FnPtr),
    Map(rhai::FnPtr),
    Take(usize),
    Distinct(super::plan::Key, HashSet<Box<[u8]>>),
}

/// A stream that is being read.
pub(crate) struct Run {
    source: RowSource,
    steps: Vec<Running>,
    buffer: Vec<u8>,
    /// Rows that the source gave.
    read: u64,
    ended: bool,
}

impl Run {
    /// The next row that passes all steps.
    pub(crate) fn next(&mut self, context: &Context, caller: &Caller<'_>) -> Result<Option<Item>, Box<EvalAltResult>> {
        'rows: while !self.ended {
            if self.steps.iter().any(|step| matches!(step, Running::Take(0))) {
                break;
            }
            let next = match &mut self.source {
                RowSource::Capture(tap) => tap.next(context, caller)?.map(Item::Row),
                RowSource::Array(rows) => rows.pop().map(Item::from_dynamic),
                RowSource::Rows(_) if context.cancel.is_requested() => {
                    context.cancel.obeyed();
                    context.ledger.borrow_mut().notes.push(format!("interrupted after {} rows", self.read));
                    None
                }
                RowSource::Rows(rows) => rows.borrow_mut().next().transpose()?.map(Item::Row),
            };
            self.read += u64::from(next.is_some());
            let Some(mut item) = next else { break };
            for step in &mut self.steps {
                match step {
                    Running::Filter(closure) => {
                        if !caller.test(closure, item.clone())? {
                            continue 'rows;
                        }
                    }
                    Running::Map(closure) => item = Item::from_dynamic(caller.call(closure, item)?),
                    Running::Take(left) => *left -= 1,
                    Running::Distinct(key, seen) => {
                        encode(&key.values(&item, caller)?, &mut self.buffer);
                        if seen.contains(&self.buffer[..]) || !context.may_keep(seen.len()) {
                            continue 'rows;
                        }
                        seen.insert(self.buffer.as_slice().into());
                    }
                }
            }
            return Ok(Some(item));
        }
        self.close(context)?;
        Ok(None)
    }

    /// Reads no more.
    pub(crate) fn close(&mut self, context: &Context) -> Result<(), Box<EvalAltResult>> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        let closed = match &self.source {
            RowSource::Capture(tap) => tap.close(context),
            RowSource::Array(_) | RowSource::Rows(_) => Ok(()),
        };
        if self.is_read() {
            // An interruption that came with the last rows asked for what has happened now.
            context.cancel.obeyed();
        }
        closed
    }

    /// Calls `each` with every row until it says `false`.
    pub(crate) fn for_each(
        &mut self,
        context: &Context,
        caller: &Caller<'_>,
        mut each: impl FnMut(Item) -> Result<bool, Box<EvalAltResult>>,
    ) -> Result<(), Box<EvalAltResult>> {
        let _reading = self.reading(context);
        while let Some(item) = self.next(context, caller)? {
            if !each(item)? {
                return self.close(context);
            }
        }
        Ok(())
    }

    /// Whether its rows come from outside, so that there is something to interrupt.
    const fn is_read(&self) -> bool {
        !matches!(self.source, RowSource::Array(_))
    }

    /// From now on an interruption ends this stream and not the script, wherever in the work on a row it comes.
    fn reading(&self, context: &Context) -> Option<Reading> {
        self.is_read().then(|| Reading::new(&context.reading))
    }
}

/// A stream that is being read, for as long as this lives.
struct Reading(Rc<Cell<u32>>);

impl Reading {
    fn new(count: &Rc<Cell<u32>>) -> Self {
        count.set(count.get() + 1);
        Self(count.clone())
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// Lets `for row in stream` work.
pub(crate) fn register(engine: &mut Engine, context: &Rc<Context>) {
    engine.register_type_with_name::<Stream>("stream");
    let context = context.clone();
    let mut module = rhai::Module::new();
    module.set_iter_result(TypeId::of::<Stream>(), move |stream| {
        let plan = stream.cast::<Stream>().consume("for");
        let (run, error) = match plan.and_then(|plan| plan.run(context.kept_fields(), &context)) {
            Ok(run) => (Some(run), None),
            Err(error) => (None, Some(error)),
        };
        let reading = run.as_ref().and_then(|run| run.reading(&context));
        Box::new(Rows { run, context: context.clone(), error, _reading: reading })
    });
    engine.register_global_module(module.into());
}

/// The rows of a stream in a `for` loop.
pub(crate) struct Rows {
    run: Option<Run>,
    context: Rc<Context>,
    error: Option<Box<EvalAltResult>>,
    _reading: Option<Reading>,
}

impl Iterator for Rows {
    type Item = Result<Dynamic, Box<EvalAltResult>>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.error.take() {
            return Some(Err(error));
        }
        let run = self.run.as_mut()?;
        let engine = self.context.engine.get().and_then(std::rc::Weak::upgrade)?;
        let next = run.next(&self.context, &Caller::Engine(&engine, &self.context)).transpose();
        if !matches!(next, Some(Ok(_))) {
            self.run = None;
        }
        Some(next?.map(Item::into_dynamic))
    }
}
