//! Any text as a script: its header, its arguments, the compiler, and a run that is granted nothing.

use std::cell::RefCell;

use netscript::Netscript;
use netscript::limits::Limits;
use netscript::record::Duration;
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
    Netscript::builder().options(Options { limits, ..Options::default() }).register(hurry).build().unwrap()
}

/// Takes away what only takes time: texts that double with each operation, and waiting.
fn hurry(engine: &mut Engine) {
    engine.set_max_string_size(1 << 16).set_max_array_size(1 << 10).set_max_map_size(1 << 10);
    engine.register_fn("sleep", |_: i64| ()).register_fn("sleep", |_: f64| ());
    engine.register_fn("sleep", |_: &str| ()).register_fn("sleep", |_: Duration| ());
}
