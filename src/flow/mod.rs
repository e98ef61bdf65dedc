//! Conversations: both directions in one row, TCP reassembly, timing. Pure: no clock, no operating system.
//!
//! A [`Table`] takes decoded frames with their times and tells an [`Observer`] what happens: a conversation opens,
//! bytes arrive in order or are known to be missing, a side ends, the conversation leaves the table. Sequence numbers
//! are followed for every TCP conversation; payload is put in order only for those whose observer asks for it.

mod analyzer;
mod budget;
mod community_id;
mod endpoint;
mod feed;
mod icmp;
mod key;
mod owner;
mod record;
mod role;
#[cfg(test)]
mod sample;
mod sequence;
mod slab;
mod stream;
mod table;
mod tcp;
#[cfg(test)]
mod tests;

pub use analyzer::{Analyzer, Flows};
pub use community_id::community_id;
pub(crate) use owner::record_with_owners;
pub use owner::{Attributor, Found, Owner, Owners, Ownership};
pub use record::Flow;
pub use role::Role;
pub use table::{Closed, Datagram, Event, FlowId, Interest, Observer, Table};

/// One of the two sides of a conversation.
///
/// The originator is who opened it as far as the capture shows: the sender of the SYN, else who the ports say, else
/// who spoke first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Who opened the conversation.
    Originator,
    /// Who answered.
    Responder,
}

impl Side {
    /// Both, in the order of [`index`](Self::index).
    pub const BOTH: [Self; 2] = [Self::Originator, Self::Responder];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Originator => Self::Responder,
            Self::Responder => Self::Originator,
        }
    }

    /// 0 or 1, for arrays with a place for each side.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}
