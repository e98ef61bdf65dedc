//! The command line: arguments in, exit code out.

mod arguments;
mod help;
mod list;
mod output;
mod progress;
mod run;
mod signals;

use std::process::ExitCode;

use clap::Parser as _;

use crate::report::Verdict;
use arguments::{Arguments, Command};

/// What a command ends with: a verdict, or a message for standard error and exit code 2.
type Ended = Result<Verdict, String>;

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
        Command::Run(arguments) => run::script(&arguments),
        Command::Eval(arguments) => run::expression(&arguments),
        Command::Repl(arguments) => run::interactive(&arguments),
        Command::List(arguments) => list::scripts(&arguments),
        Command::Help { topic } => help::topic(topic.as_deref()),
        Command::Check { scripts } => run::check(&scripts),
        Command::Eject { name } => list::eject(&name),
    };
    match ended {
        Ok(verdict) => ExitCode::from(verdict.exit_code()),
        Err(message) => {
            eprintln!("netscript: {message}");
            ExitCode::from(Verdict::Error.exit_code())
        }
    }
}
