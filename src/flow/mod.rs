//! Conversations: both directions in one row, TCP reassembly, timing. Pure: no clock, no operating system.

mod community_id;

pub use community_id::community_id;

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
