//! How a trace is to be made.

use std::time::Duration;

/// Which time to live is probed, how often, and how long an answer is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The first time to live.
    pub first: u8,
    /// The last time to live.
    pub last: u8,
    /// How often each is probed.
    pub probes: u8,
    /// The most that silence may cost.
    pub timeout: Duration,
    /// The least that a silent hop is waited for once the target has answered, however short the round trips are.
    pub patience: Duration,
    /// Probes that may be sent at once, before the rate counts.
    pub burst: u16,
    /// Time between two probes after that.
    pub interval: Duration,
}

impl Default for Plan {
    /// 30 hops, three probes each, one second of patience; 32 probes at once, then four a millisecond. Replies are heard in
    /// between, so that a near target answers before many probes are sent that go beyond it.
    fn default() -> Self {
        Self {
            first: 1,
            last: 30,
            probes: 3,
            timeout: Duration::from_secs(1),
            patience: Duration::from_millis(60),
            burst: 32,
            interval: Duration::from_micros(250),
        }
    }
}

/// What is wrong with a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A packet with time to live 0 is never sent.
    #[error("a time to live is 1 to 255, and first is {0}")]
    First(u8),
    /// Nothing would be probed.
    #[error("the first time to live, {first}, is above the last, {last}")]
    Order {
        /// The first time to live.
        first: u8,
        /// The last time to live.
        last: u8,
    },
    /// Nothing would be probed, or too much.
    #[error("each hop is probed 1 to {most} times, and not {0}", most = Plan::MOST_PROBES)]
    Probes(u8),
    /// Nothing would be waited for, or for too long.
    #[error("the timeout is 1ms to 1m, and not {}", crate::record::Duration::from(*.0))]
    Timeout(Duration),
}

impl Plan {
    /// The most probes of one time to live.
    pub const MOST_PROBES: u8 = 10;

    /// Whether it can be carried out.
    ///
    /// # Errors
    ///
    /// What is out of bounds.
    pub fn check(&self) -> Result<(), PlanError> {
        match () {
            () if self.first == 0 => Err(PlanError::First(self.first)),
            () if self.first > self.last => Err(PlanError::Order { first: self.first, last: self.last }),
            () if !(1..=Self::MOST_PROBES).contains(&self.probes) => Err(PlanError::Probes(self.probes)),
            () if !(Duration::from_millis(1)..=Duration::from_secs(60)).contains(&self.timeout) => {
                Err(PlanError::Timeout(self.timeout))
            }
            () => Ok(()),
        }
    }
}
