//! A round-robin proxy for TCP and UDP: one listener for each app, many ports, healthy targets.
//!
//! [`config`] says what is asked for; `dispatch` brings what clients mean to one socket for each app, in the kernel where
//! that can be had; `balance` picks targets and knows how they are, from what `control` finds out; `relay` moves the bytes of connections and `udp`
//! datagrams; [`Proxy`] holds them together.

pub mod balance;
pub mod config;
mod control;
mod dispatch;
mod error;
mod failure;
mod handle;
mod journal;
mod log;
mod metrics;
mod record;
mod relay;
mod running;
mod service;
mod tally;
mod udp;

pub use dispatch::{Cleaned, Pinned, Presence, Running, clean, presence};
pub use error::ProxyError;
pub use handle::{Awaited, Means, Pick, Proxy, Settings};
pub use record::{AppStats, Connection, Stats, TargetState};
