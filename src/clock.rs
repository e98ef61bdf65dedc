//! The clock that packets are stamped with: by it everything is timed that is put beside packets.

use rustix::time::{ClockId, clock_gettime};

use crate::record::Time;

/// What time it is.
pub(crate) fn now() -> Time {
    Time::from_nanos(nanos(ClockId::Realtime))
}

/// How the clock of programs in the kernel (`CLOCK_MONOTONIC`) stands to that of packets.
pub(crate) struct BootClock {
    /// The time at which the machine began, in nanoseconds.
    boot: i64,
}

impl BootClock {
    /// As it stands now: the clock of packets can be set.
    pub(crate) fn now() -> Self {
        Self { boot: nanos(ClockId::Realtime) - nanos(ClockId::Monotonic) }
    }

    /// Now, in nanoseconds since the machine began.
    pub(crate) fn since_boot() -> u64 {
        u64::try_from(nanos(ClockId::Monotonic)).unwrap_or_default()
    }

    /// The time of something that happened so many nanoseconds after the machine began.
    pub(crate) fn time(&self, since_boot: u64) -> Time {
        Time::from_nanos(self.boot.saturating_add(i64::try_from(since_boot).unwrap_or(i64::MAX)))
    }
}

fn nanos(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}
