//! Any text as a script: its header, its arguments, the compiler, and a run that is granted nothing.

use std::cell::RefCell;

use netscript::Netscript;
use netscript::limits::Limits;
use netscript::script::{Options, Script, Session};
use rhai::Engine;

thread_local! {
    /// One engine for many scripts: it is costly to build.
    static SESSION: RefCell<Option<Session>> = const { RefCell::new(None) };
}

/// Runs the input as a script. What stands behind a NUL are its arguments, one a line.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (source, arguments) = text.split_once('\0').unwrap_or((&text, ""));
    let arguments: Vec<_> = arguments.lines().map(str::to_owned).collect();
    let Ok(script) = Script::new("fuzz", source) else { return };
    SESSION.with_borrow_mut(|session| {
        let session = session.get_or_insert_with(start);
        let report = session.run(&script, &arguments);
        if let Some(failure) = &report.failure {
            assert_ne!(failure.message, "the engine has stopped", "the script ended it");
        }
    });
}

fn start() -> Session {
    let limits = Limits { operations: 500, rows: 100, ..Limits::default() };
    // A text that doubles with each operation says nothing new.
    let bound = |engine: &mut Engine| {
        engine.set_max_string_size(1 << 16).set_max_array_size(1 << 10).set_max_map_size(1 << 10);
    };
    Netscript::builder().options(Options { limits, ..Options::default() }).register(bound).build().unwrap()
}
