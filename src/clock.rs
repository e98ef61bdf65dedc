//! The clock that packets are stamped with: by it everything is timed that is put beside packets.

use rustix::time::{ClockId, clock_gettime};

use crate::record::Time;

/// What time it is.
pub(crate) fn now() -> Time {
    let now = clock_gettime(ClockId::Realtime);
    Time::from_nanos(now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec))
}
