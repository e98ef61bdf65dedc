//! Rhai, with everything that scripts can use.

use std::rc::Rc;

use rhai::packages::{Package, StandardPackage};
use rhai::{Dynamic, Engine, OptimizationLevel};

use super::context::Context;
use super::error::{ErrorKind, Thrown};
use super::{primitives, stream, value, verbs};
use crate::report::harmless;

/// Builds the engine of a session. It stays on its thread.
pub(super) fn build(context: &Rc<Context>) -> Engine {
    let mut engine = Engine::new_raw();
    engine.register_global_module(StandardPackage::new().as_shared_module());
    engine.set_optimization_level(OptimizationLevel::Simple);
    engine.set_max_operations(context.options.limits.operations);
    // The same in every build; the thread has a stack for it.
    engine.set_max_expr_depths(64, 64).set_max_call_levels(64);
    engine.disable_symbol("eval");

    let this = context.clone();
    engine.on_print(move |text| {
        // What cannot be written stops the script at its next operation.
        let _ = this.say(|out| out.text(text));
    });
    engine.on_debug(|text, _, position| eprintln!("debug {position}: {}", harmless(text)));

    let this = context.clone();
    engine.on_progress(move |_| {
        let interrupted = this.cancel.is_requested() && !this.cancel.is_abort() && this.reading.get() == 0;
        match () {
            () if this.has_to_end() || interrupted => Some(Dynamic::UNIT),
            () if this.memory.is_exceeded() => {
                let message = "the script was stopped because it needs more memory than --max-memory allows".to_owned();
                Some(Dynamic::from(Thrown { kind: ErrorKind::Observation, message }))
            }
            () => None,
        }
    });

    Thrown::register(&mut engine);
    value::register(&mut engine, primitives::KINDS);
    stream::register(&mut engine, context);
    verbs::register(&mut engine, context);
    primitives::register(&mut engine, context);
    engine
}
