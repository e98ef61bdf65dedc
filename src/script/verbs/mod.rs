//! What can be done with rows: the same on streams and on arrays.

mod consume;
mod group;
mod measure;
mod shape;
mod show;

pub(crate) use show::{RAW, table};

use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, NativeCallContext};

use super::context::Context;
use super::docs::Entry;
use super::stream::Stream;

/// What the verbs are called and how.
pub(crate) const ENTRIES: &[&[Entry]] =
    &[shape::ENTRIES, consume::ENTRIES, group::ENTRIES, measure::ENTRIES, show::ENTRIES];

type Result<T = Dynamic> = std::result::Result<T, Box<EvalAltResult>>;

/// Registers verbs on streams, and on arrays where Rhai has none of that name.
struct Verbs<'a> {
    engine: &'a mut Engine,
    context: &'a Rc<Context>,
}

/// Registers all verbs.
pub(crate) fn register(engine: &mut Engine, context: &Rc<Context>) {
    let verbs = &mut Verbs { engine, context };
    shape::register(verbs);
    consume::register(verbs);
    group::register(verbs);
    measure::register(verbs);
    show::register(verbs);
}

impl Verbs<'_> {
    /// A verb without arguments.
    fn plain<T: rhai::Variant + Clone>(
        &mut self,
        name: &'static str,
        verb: impl Fn(&Context, &NativeCallContext<'_>, &Stream) -> Result<T> + Clone + 'static,
    ) {
        let (context, on_stream) = (self.context.clone(), verb.clone());
        self.engine.register_fn(name, move |call: NativeCallContext<'_>, stream: &mut Stream| {
            on_stream(&context, &call, stream)
        });
        let context = self.context.clone();
        self.engine.register_fn(name, move |call: NativeCallContext<'_>, array: &mut Array| {
            verb(&context, &call, &Stream::of_array(array.clone()))
        });
    }

    /// A verb with one argument, which it checks itself.
    fn with_one<T: rhai::Variant + Clone>(
        &mut self,
        name: &'static str,
        verb: impl Fn(&Context, &NativeCallContext<'_>, &Stream, Dynamic) -> Result<T> + Clone + 'static,
    ) {
        self.stream_with_one(name, verb.clone());
        let (context, with_closure) = (self.context.clone(), verb.clone());
        self.engine.register_fn(name, move |call: NativeCallContext<'_>, array: &mut Array, argument: Dynamic| {
            verb(&context, &call, &Stream::of_array(array.clone()), argument)
        });
        // Where Rhai's arrays have a function of that name for closures, this one counts.
        let context = self.context.clone();
        self.engine.register_fn(name, move |call: NativeCallContext<'_>, array: &mut Array, closure: FnPtr| {
            with_closure(&context, &call, &Stream::of_array(array.clone()), Dynamic::from(closure))
        });
    }

    /// A verb with one argument that Rhai's arrays already have.
    fn stream_with_one<T: rhai::Variant + Clone>(
        &mut self,
        name: &'static str,
        verb: impl Fn(&Context, &NativeCallContext<'_>, &Stream, Dynamic) -> Result<T> + Clone + 'static,
    ) {
        let context = self.context.clone();
        self.engine.register_fn(name, move |call: NativeCallContext<'_>, stream: &mut Stream, argument: Dynamic| {
            verb(&context, &call, stream, argument)
        });
    }

    /// A verb with two arguments.
    fn with_two<T: rhai::Variant + Clone>(
        &mut self,
        name: &'static str,
        verb: impl Fn(&Context, &NativeCallContext<'_>, &Stream, Dynamic, Dynamic) -> Result<T> + Clone + 'static,
    ) {
        let (context, on_stream) = (self.context.clone(), verb.clone());
        self.engine.register_fn(
            name,
            move |call: NativeCallContext<'_>, stream: &mut Stream, first: Dynamic, second: Dynamic| {
                on_stream(&context, &call, stream, first, second)
            },
        );
        let context = self.context.clone();
        self.engine.register_fn(
            name,
            move |call: NativeCallContext<'_>, array: &mut Array, first: Dynamic, second: Dynamic| {
                verb(&context, &call, &Stream::of_array(array.clone()), first, second)
            },
        );
    }
}

/// Reads an argument that has to be a number of rows.
fn rows_argument(argument: &Dynamic, verb: &str) -> Result<usize> {
    argument.as_int().ok().and_then(|n| usize::try_from(n).ok()).ok_or_else(|| {
        super::error::thrown(
            super::error::ErrorKind::Usage,
            format!("{verb} takes a number of rows, such as {verb}(10)"),
        )
    })
}

/// Reads an argument that has to be a closure.
fn closure_argument(argument: Dynamic, verb: &str) -> Result<FnPtr> {
    argument.try_cast::<FnPtr>().ok_or_else(|| {
        super::error::thrown(super::error::ErrorKind::Usage, format!("{verb} takes a closure, such as |row| …"))
    })
}
