//! Ctrl-C and SIGTERM.

use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::capture::Cancel;

/// The first Ctrl-C ends what is being read, and the run goes on with it; SIGTERM stops the run; a second signal ends
/// the process.
pub(super) fn obey(cancel: Cancel) -> Result<(), String> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(|error| format!("cannot watch for signals: {error}"))?;
    let watch = move || {
        let mut asked = false;
        for signal in signals.forever() {
            if asked && cancel.is_requested() {
                std::process::exit(128 + signal);
            }
            asked = true;
            if signal == SIGINT { cancel.interrupt() } else { cancel.abort() }
        }
    };
    thread::Builder::new().name("signals".into()).spawn(watch).map_err(|error| error.to_string())?;
    Ok(())
}
