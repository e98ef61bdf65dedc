//! How far a run is, on standard error, for whoever waits at a terminal.

use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::script::RunProgress;

/// Shows nothing before this.
const PATIENCE: Duration = Duration::from_secs(1);

/// Time between two updates.
const INTERVAL: Duration = Duration::from_millis(200);

/// A line that is written over until the run ends.
pub(super) struct ProgressLine {
    start: Instant,
    shown: Option<Instant>,
}

impl ProgressLine {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), shown: None }
    }

    /// Shows how far the run is, now and then.
    pub(super) fn update(&mut self, progress: &RunProgress) {
        let now = Instant::now();
        let due = self.shown.map_or(self.start + PATIENCE, |shown| shown + INTERVAL);
        if now < due {
            return;
        }
        self.shown = Some(now);
        // Standard error may be gone; the run does not depend on it.
        let _ = write!(std::io::stderr(), "\r\x1b[K{}", describe(progress, (now - self.start).as_secs_f64()));
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.shown.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
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
