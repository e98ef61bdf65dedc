//! Ctrl-C, SIGTERM and SIGHUP.

use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::capture::Cancel;

/// The first Ctrl-C ends what is being read, and the run goes on with it; SIGTERM stops the run; a second signal ends
/// the process, unless the first has been taken back meanwhile: whatever takes time to end listens to the second one.
///
/// SIGHUP is for whoever waits for it, and does else what it would have done.
pub(super) fn obey(cancel: Cancel) -> Result<(), String> {
    // Under nohup the terminal may go; from here on that would end the process.
    let is_ignored = is_ignored(SIGHUP);
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(|error| format!("cannot watch for signals: {error}"))?;
    let watch = move || {
        let mut asked = false;
        for signal in signals.forever() {
            if signal == SIGHUP {
                if !cancel.hang_up() && !is_ignored {
                    // It ends the process.
                    let _ = emulate_default_handler(SIGHUP);
                }
                continue;
            }
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

/// Whether this process was begun such that a signal has no effect.
fn is_ignored(signal: i32) -> bool {
    let status = procfs::process::Process::myself().and_then(|process| process.status());
    status.is_ok_and(|status| status.sigign & (1 << (signal - 1)) != 0)
}
