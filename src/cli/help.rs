//! `help`: of the command, a script, a function, a record, a field.

use clap::CommandFactory as _;

use super::arguments::Arguments;
use super::list::print;
use super::run::library;
use super::{Ended, output};
use crate::script::{Script, guide};

/// The help of `run` itself.
pub(super) fn run() -> Ended {
    let mut command = Arguments::command();
    command.build();
    let help = command.find_subcommand_mut("run").map(|run| run.render_help().to_string());
    print(&help.unwrap_or_default())
}

/// The help of a script, out of its header.
pub(super) fn script(script: &Script) -> Ended {
    print(&guide::script(script))
}

/// Explains whatever has that name.
pub(super) fn topic(topic: Option<&str>) -> Ended {
    let width = output::terminal_width().min(100);
    let Some(name) = topic else { return print(&guide::contents(width)) };
    if let Some(text) = guide::topic(name, width) {
        return print(&text);
    }
    match library().find(name) {
        Ok(found) => script(&found),
        Err(_) => Err(format!("there is nothing called `{name}`{}", guide::hint(name))),
    }
}
