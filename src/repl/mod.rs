//! Questions line by line: `netscript repl`.
//!
//! The folder is thin. Lines come from a terminal, with editing, history and completion, or from a pipe; what they mean
//! is known to [`script`](crate::script), and what they show is written by [`report`](crate::report).

mod aside;
mod assistant;
mod command;
mod files;
mod history;
mod pipe;
mod signals;
mod terminal;

use std::io::{self, IsTerminal as _, Write};

use crate::limits::Loss;
use crate::report::{Format, Renderer, Style, Verdict, harmless, loss};
use crate::script::{ErrorKind, Report, Session};
pub use aside::Aside;
use command::Command;
use signals::Watch;

/// Where a conversation takes place.
pub struct Console {
    /// Whether colours may be used.
    pub color: bool,
    /// Columns of the terminal, asked for anew before each line; none where results go to a file or pipe.
    pub width: fn() -> Option<usize>,
    /// Where the results of a line go.
    pub output: Box<dyn Fn() -> Box<dyn Write + Send>>,
    /// Where packets come from, in a few words.
    pub source: String,
    /// Where things are said while somebody types.
    pub aside: Aside,
}

/// Answers line by line until there are no more: at a terminal in a conversation that always ends clean, otherwise
/// without prompts, and with [`Verdict::Error`] if one of the lines failed.
///
/// # Errors
///
/// When lines cannot be read or signals cannot be watched.
pub fn run(session: &Session, console: &Console) -> io::Result<Verdict> {
    let interactive = io::stdin().is_terminal() && io::stdout().is_terminal();
    let watch = Watch::start(session.cancel(), interactive)?;
    let mut answers = Answers { session, console, watch, previous: String::new(), failed: false };
    if interactive {
        terminal::converse(&mut answers)?;
        return Ok(Verdict::Clean);
    }
    pipe::answer_all(&mut answers, io::stdin().lock())?;
    Ok(if answers.failed { Verdict::Error } else { Verdict::Clean })
}

/// Answers one input after the other.
struct Answers<'a> {
    session: &'a Session,
    console: &'a Console,
    watch: Watch,
    /// The input that was answered last: what a line that begins with `.` goes on with.
    previous: String,
    failed: bool,
}

/// What comes after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Continue,
    /// Somebody pressed Ctrl-C while it was worked out.
    Interrupted,
    Leave,
}

impl Answers<'_> {
    /// Answers one input, which may have several lines.
    fn answer(&mut self, input: &str) -> io::Result<Then> {
        match Command::of(input) {
            Some(Command::Leave) => return Ok(Then::Leave),
            Some(Command::Help(topic)) => {
                match command::help(topic, (self.console.width)().unwrap_or(80).min(100)) {
                    Ok(text) => (self.console.output)().write_all(text.as_bytes())?,
                    Err(message) => self.fail(&format!("error: {}", harmless(&message))),
                }
                return Ok(Then::Continue);
            }
            None => {}
        }
        let text = command::joined(&self.previous, input);
        let (report, presses) = self.watch.during(|| self.session.line(&text, self.renderer()));
        self.told(&report)?;
        match &report.failure {
            None => self.previous = text,
            Some(failure) if failure.kind == ErrorKind::Cancelled => self.fail(&failure.message),
            Some(failure) => self.fail(&failure.to_string()),
        }
        Ok(if presses > 0 { Then::Interrupted } else { Then::Continue })
    }

    fn renderer(&self) -> Box<dyn Renderer> {
        let style = Style { color: self.console.color, width: (self.console.width)(), eval: true, ..Style::default() };
        Format::Table.renderer((self.console.output)(), style)
    }

    /// Says what could not be seen: it stands in no result.
    fn told(&self, report: &Report) -> io::Result<()> {
        let asides = asides(report);
        if asides.is_empty() {
            return Ok(());
        }
        let mut renderer = self.renderer();
        asides.iter().try_for_each(|aside| renderer.note(aside))?;
        renderer.flush()
    }

    /// Says why an input did not run to its end.
    fn fail(&mut self, text: &str) {
        self.failed = true;
        match text.strip_prefix("error") {
            Some(rest) if self.console.color => eprintln!("\x1b[1;31merror\x1b[0m{rest}"),
            _ => eprintln!("{text}"),
        }
    }
}

/// What an input could not see, in words.
fn asides(report: &Report) -> Vec<String> {
    let outcome = &report.outcome;
    match (outcome.verdict, &report.failure) {
        // Here its reasons say also what the script itself found inconclusive.
        (Verdict::Finding | Verdict::Inconclusive, None) => outcome.reasons.clone(),
        _ => {
            // A note about an input that ended early says more than its counter.
            let counted = Loss { truncated_inputs: 0, ..outcome.loss.clone() };
            report.notes.iter().cloned().chain(loss::phrases(&counted)).collect()
        }
    }
}
