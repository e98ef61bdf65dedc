//! Who on this host a conversation belongs to.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::record::Time;

/// What is known of one end of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Ownership {
    /// A process of this host has a socket there.
    Known(Arc<Owner>),
    /// It should be on this host, or could be, and nobody was found: why.
    Unknown(Cow<'static, str>),
    /// It is not on this host.
    #[default]
    Elsewhere,
}

/// A process that has one end of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its process identifier, as this host sees it; none where only the container is known.
    pub pid: Option<u32>,
    /// Its name (`comm`), not its command line.
    pub process: Option<Arc<str>>,
    /// The container that it runs in; none on the host itself.
    pub container: Option<Arc<str>>,
    /// How that was found.
    pub found: Found,
}

/// How an owner was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The kernel told when the connection was made.
    Hook,
    /// The socket with these two endpoints is in the kernel's table.
    Socket,
    /// The socket that listens there, or that is bound there without a peer.
    Listener,
    /// The address is that of a container; which process of it is not known.
    Address,
}

impl Found {
    /// The text that records show.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hook => "hook",
            Self::Socket => "socket",
            Self::Listener => "listener",
            Self::Address => "address",
        }
    }
}

/// Both ends of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owners {
    /// Who opened it.
    pub client: Ownership,
    /// Who answered.
    pub server: Ownership,
}

/// Finds out who conversations belong to, while they are captured.
pub trait Attributor: Send {
    /// The owners of a conversation, as far as they are known by now. `start` and `end` are the times of its first and its
    /// last packet so far: other conversations may have had the same endpoints before. Asked again when the conversation
    /// ends, if something was unknown before.
    fn owners(&mut self, protocol: u8, client: SocketAddr, server: SocketAddr, start: Time, end: Time) -> Owners;
}
