//! Ctrl-C stops what runs and keeps the session; SIGTERM ends the process and leaves the terminal as it was.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::stdio::stdin;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::capture::Cancel;

/// Watches for signals on a thread of its own.
pub(super) struct Watch {
    cancel: Cancel,
    /// How often Ctrl-C was pressed since an input began to run.
    presses: Arc<AtomicU32>,
}

/// Stands for the number of presses while nothing runs.
const IDLE: u32 = u32::MAX;

impl Watch {
    /// Begins to watch. At a prompt the line editor has Ctrl-C to itself, so it means nothing here while nothing runs;
    /// without one it ends the process.
    pub(super) fn start(cancel: Cancel, prompts: bool) -> io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        // As it is now, before the line editor has touched it.
        let terminal = if prompts { tcgetattr(stdin()).ok() } else { None };
        let presses = Arc::new(AtomicU32::new(IDLE));
        let watch = Self { cancel: cancel.clone(), presses: presses.clone() };
        let work = move || {
            for signal in signals.forever() {
                let press = || presses.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
                let pressed = if signal == SIGINT { press() } else { Err(IDLE) };
                if prompts && pressed.is_ok() {
                    // The terminal shows ^C where the cursor is; what comes next has a line of its own.
                    eprintln!();
                }
                match (signal, pressed) {
                    (_, Ok(0)) => cancel.interrupt(),
                    (_, Ok(1)) => cancel.abort(),
                    (SIGINT, Err(_)) if prompts => {}
                    _ => leave(signal, terminal.as_ref()),
                }
            }
        };
        thread::Builder::new().name("signals".into()).spawn(work)?;
        Ok(watch)
    }

    /// Does some work that the first Ctrl-C interrupts, the second stops, and the third ends the process for. Gives how
    /// often it was pressed, too.
    pub(super) fn during<T>(&self, work: impl FnOnce() -> T) -> (T, u32) {
        self.cancel.reset();
        self.presses.store(0, Ordering::Relaxed);
        let done = work();
        let presses = self.presses.swap(IDLE, Ordering::Relaxed);
        // What goes on between the inputs was not meant.
        self.cancel.reset();
        (done, presses)
    }
}

fn one_more(presses: u32) -> Option<u32> {
    (presses != IDLE).then(|| presses.saturating_add(1).min(IDLE - 1))
}

/// Ends the process by that signal, as if it had not been caught.
fn leave(signal: i32, terminal: Option<&Termios>) {
    if let Some(terminal) = terminal {
        // What the line editor would do: no raw mode, no marks around what is pasted.
        let _ = tcsetattr(stdin(), OptionalActions::Now, terminal);
        let _ = io::stdout().write_all(b"\x1b[?2004l\r\n");
        let _ = io::stdout().flush();
    }
    let _ = emulate_default_handler(signal);
}
