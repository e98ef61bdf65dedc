//! How far a run is, on standard error, for whoever waits at a terminal.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::script::RunProgress;

/// Shows nothing before this.
const PATIENCE: Duration = Duration::from_secs(1);

/// Time between two updates.
const INTERVAL: Duration = Duration::from_millis(200);

/// A line at the bottom that is written over until the run ends. Clones share it.
#[derive(Clone)]
pub(super) struct ProgressLine(Arc<Mutex<State>>);

struct State {
    start: Instant,
    shown: Option<Instant>,
    /// Whether the line stands on the screen now.
    stands: bool,
}

impl ProgressLine {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State { start: Instant::now(), shown: None, stands: false })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another run begins.
    pub(super) fn restart(&self) {
        let mut state = self.state();
        state.clear();
        (state.start, state.shown) = (Instant::now(), None);
    }

    /// Shows how far the run is, now and then.
    pub(super) fn update(&self, progress: &RunProgress) {
        let mut state = self.state();
        let now = Instant::now();
        let due = state.shown.map_or(state.start + PATIENCE, |shown| shown + INTERVAL);
        if now < due {
            return;
        }
        (state.shown, state.stands) = (Some(now), true);
        // Standard error may be gone; the run does not depend on it.
        let _ = write!(io::stderr(), "\r\x1b[K{}", describe(progress, (now - state.start).as_secs_f64()));
    }

    /// Writes to the same terminal, above the line.
    pub(super) fn above<W: Write>(&self, to: W) -> Above<W> {
        Above { line: self.clone(), to }
    }
}

impl State {
    fn clear(&mut self) {
        if std::mem::take(&mut self.stands) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A writer to the terminal on which the line stands.
pub(super) struct Above<W: Write> {
    line: ProgressLine,
    to: W,
}

impl<W: Write> Write for Above<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.state().clear();
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl<W: Write> Drop for Above<W> {
    fn drop(&mut self) {
        // Nothing will be written, but what comes next does not know of the line.
        self.line.state().clear();
    }
}

/// `42 %, 3.2 million packets, 310 MB/s, 4 s left`.
#[expect(clippy::cast_precision_loss, reason = "for a person")]
fn describe(progress: &RunProgress, seconds: f64) -> String {
    let source = progress.source;
    let rate = source.bytes as f64 / seconds;
    let packets = match progress.packets {
        n if n < 1_000_000 => format!("{n} packets"),
        n => format!("{:.1} million packets", n as f64 / 1e6),
    };
    let speed = format!("{packets}, {:.0} MB/s", rate / 1e6);
    match source.total.filter(|&total| total > 0) {
        Some(total) => {
            let share = source.bytes as f64 / total as f64;
            let left = total.saturating_sub(source.bytes) as f64 / rate.max(1.0);
            format!("{:3.0} %, {speed}, {left:.0} s left", share * 100.0)
        }
        None => speed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Progress;

    #[test]
    fn progress_tells_share_rate_and_time_left() {
        let known = Progress { bytes: 250_000_000, total: Some(1_000_000_000) };
        let progress = RunProgress { source: known, packets: 3_210_000 };
        assert_eq!(describe(&progress, 2.0), " 25 %, 3.2 million packets, 125 MB/s, 6 s left");
        let progress = RunProgress { source: Progress { total: None, ..known }, packets: 10 };
        assert_eq!(describe(&progress, 2.0), "10 packets, 125 MB/s");
    }
}
