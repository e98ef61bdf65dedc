//! What repeated traces say of each endpoint, now and over time, on a page that is served over HTTP.
//!
//! [`Status`] keeps what is shown and is bounded; [`serve`] shows it: `/` as a page for people, `/metrics` for Prometheus,
//! `/report.json` for programs, `/healthz` for whoever watches over the process.

mod board;
mod history;
mod metrics;
mod observation;
mod page;
mod plot;
mod reply;
#[cfg(test)]
mod sample;
mod summary;

pub use board::{Status, TooMany};
pub use history::{History, Round};
pub use observation::Observation;
pub use reply::serve;

use crate::trace::Verdict;

/// Every verdict, the best one first.
const VERDICTS: [Verdict; 6] = [
    Verdict::Open,
    Verdict::Closed,
    Verdict::Filtered,
    Verdict::Prohibited,
    Verdict::Unreachable,
    Verdict::Inconclusive,
];
