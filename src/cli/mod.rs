//! The command line: arguments in, exit code out.

mod arguments;
mod github;
mod help;
mod list;
mod output;
mod progress;
mod proxy;
mod run;
mod signals;

use std::process::ExitCode;

use clap::Parser as _;

use crate::report::Verdict;
use arguments::{Arguments, Command};

/// What a command ends with: an exit code, or a message for standard error and exit code 2.
type Ended = Result<u8, String>;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come this way, too, and go to standard output; a reader that left early is no error.
            let printed = error.print().or_else(|error| match error.kind() {
                std::io::ErrorKind::BrokenPipe => Ok(()),
                _ => Err(error),
            });
            return ExitCode::from(if error.use_stderr() || printed.is_err() { 2 } else { 0 });
        }
    };
    let ended = match arguments.command {
        // Without a command there is nothing else that could have been asked for.
        None => run::interfaces(),
        Some(Command::Run(arguments)) => run::script(&arguments),
        Some(Command::Eval(arguments)) => run::expression(&arguments),
        Some(Command::Repl(arguments)) => run::interactive(&arguments),
        Some(Command::List(arguments)) => list::scripts(&arguments),
        Some(Command::Help { topic }) => help::topic(topic.as_deref()),
        Some(Command::Check { scripts }) => run::check(&scripts),
        Some(Command::Eject { name }) => list::eject(&name),
        Some(Command::Proxy { command }) => proxy::run(&command),
    };
    match ended {
        Ok(code) => code.into(),
        Err(message) => {
            eprintln!("netscript: {message}");
            ExitCode::from(Verdict::Error.exit_code())
        }
    }
}
