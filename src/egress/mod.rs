//! Who reaches for whom: a command and everything that it begins, watched from its first instruction to its last process.
//!
//! Programs in the kernel (`bpf/egress.bpf.c`) know the processes by descent and tell what they try (`hook`, `event`).
//! A thread (`watcher`) keeps count of processes, of attempts and of names, until all of them have ended; what it knows
//! then comes out as rows of a source of packets ([`Watch`]). Nothing is pinned and no control group is made: all of it
//! ends with the process.

mod attempt;
mod attempts;
mod canary;
mod captured;
mod command;
mod enforcement;
mod engines;
mod event;
mod hook;
mod introductions;
mod names;
pub mod policy;
mod process;
#[cfg(test)]
mod tests;
mod unhooked;
mod watch;
mod watcher;

pub use attempt::{Attempt, Reached};
pub use captured::Captured;
pub use command::Exit;
pub use unhooked::Unhooked;
pub use watch::{Conclusion, Packets, Report, Spec, Target, Watch, WatchError};
