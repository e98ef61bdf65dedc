//! What is said while somebody types.

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustyline::ExternalPrinter;

/// Says things above a prompt, for as long as there is one. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Aside(Arc<Mutex<Option<Sender<String>>>>);

impl Aside {
    /// Says some lines. Gives false if there is no prompt: then they are written as anything else is.
    #[must_use]
    pub fn say(&self, lines: &str) -> bool {
        self.way().as_ref().is_some_and(|way| way.send(lines.to_owned()).is_ok())
    }

    /// Reads at a prompt, above which lines go that way; none if they cannot.
    pub(super) fn above<T>(&self, way: Option<&Sender<String>>, read: impl FnOnce() -> T) -> T {
        *self.way() = way.cloned();
        let done = read();
        *self.way() = None;
        done
    }

    fn way(&self) -> MutexGuard<'_, Option<Sender<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to the printer of a line editor, on a thread of its own: it waits for the editor, and whoever says something
/// does not wait for either.
pub(super) fn way(mut printer: impl ExternalPrinter + Send + 'static) -> io::Result<Sender<String>> {
    let (way, lines) = channel();
    // Without a terminal there is nobody to tell.
    let print = move || while lines.recv().is_ok_and(|lines: String| printer.print(lines).is_ok()) {};
    thread::Builder::new().name("aside".into()).spawn(print)?;
    Ok(way)
}
