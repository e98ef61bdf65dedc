//! Who on this host a conversation belongs to.

use std::borrow::Cow;
use std::fmt;
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

impl Owners {
    /// The fields of records that tell of owners.
    pub(crate) const FIELDS: [&str; 6] =
        ["process", "pid", "container", "attribution", "server_process", "server_container"];

    /// Those of them that a table shows if nobody asks for others.
    pub(crate) const SHOWN: [&str; 2] = ["process", "container"];

    /// The owner that a person asks for: of the client's end, if that is on this host, else of the server's.
    fn nearest(&self) -> &Ownership {
        if self.client == Ownership::Elsewhere { &self.server } else { &self.client }
    }

    /// Name of the process that [`nearest`](Self::nearest) has.
    pub(crate) fn process(&self) -> Option<&str> {
        self.nearest().owner()?.process.as_deref()
    }

    /// Identifier of that process.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.nearest().owner()?.pid
    }

    /// The container of that process.
    pub(crate) fn container(&self) -> Option<&str> {
        self.nearest().owner()?.container.as_deref()
    }

    /// How that is known, or why it is not.
    pub(crate) fn attribution(&self) -> Option<Cow<'_, str>> {
        match self.nearest() {
            Ownership::Known(owner) => Some(owner.found.name().into()),
            Ownership::Unknown(why) => Some(format!("unknown: {why}").into()),
            Ownership::Elsewhere => None,
        }
    }

    /// Name of the process of the server, if that is on this host.
    pub(crate) fn server_process(&self) -> Option<&str> {
        self.server.owner()?.process.as_deref()
    }

    /// The container of the server.
    pub(crate) fn server_container(&self) -> Option<&str> {
        self.server.owner()?.container.as_deref()
    }

    /// Whether more could be known later.
    pub(crate) const fn is_settled(&self) -> bool {
        !matches!(self.client, Ownership::Unknown(_)) && !matches!(self.server, Ownership::Unknown(_))
    }

    /// The same, with client and server exchanged.
    pub(crate) fn swapped(&self) -> Self {
        Self { client: self.server.clone(), server: self.client.clone() }
    }
}

/// Declares the fields of a record of a conversation as [`record!`](crate::record!) does, and among them those that tell of
/// its owners, which a table shows, too, where they were looked for. The record has `owners()`.
macro_rules! record_with_owners {
    (
        $(#[doc = $kind_doc:literal])+
        impl Record for $record:ty as $kind:literal { $($before:tt)* } owners { $($behind:tt)* }
    ) => {
        $crate::record! {
            $(#[doc = $kind_doc])+
            impl Record for $record as $kind, if |it| it.owners().is_some() => [process, container] {
                $($before)*
                /// Live: name of the process at the client's end if that is on this host, else at the server's.
                process: Text => |it| it.owners().and_then($crate::flow::Owners::process);
                /// Live: identifier of that process.
                pid: Integer => |it| it.owners().and_then($crate::flow::Owners::pid);
                /// Live: container of that process; none on the host itself.
                container: Text => |it| it.owners().and_then($crate::flow::Owners::container);
                /// Live: how the process is known: `hook` (the kernel told when the connection was made), `socket` (the
                /// kernel's table has that connection), `listener` (it listens there), `address` (of a container; which
                /// process is not known); or `unknown: ` and why.
                attribution: Text => |it| it.owners().and_then($crate::flow::Owners::attribution);
                /// Live: name of the process at the server's end, if that is on this host.
                server_process: Text => |it| it.owners().and_then($crate::flow::Owners::server_process);
                /// Live: container of that process; none on the host itself.
                server_container: Text => |it| it.owners().and_then($crate::flow::Owners::server_container);
                $($behind)*
            }
        }
    };
}
pub(crate) use record_with_owners;

/// `client curl[1234] in shop, server nginx[17] in web`, as far as it is known.
impl fmt::Display for Owners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = [("client", &self.client), ("server", &self.server)];
        let mut known = ends.into_iter().filter_map(|(end, ownership)| Some((end, ownership.owner()?)));
        if let Some((end, owner)) = known.next() {
            write!(f, "{end} {owner}")?;
        }
        known.try_for_each(|(end, owner)| write!(f, ", {end} {owner}"))
    }
}

/// `curl[1234] in shop`
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(process) = &self.process {
            f.write_str(process)?;
        }
        if let Some(pid) = self.pid {
            write!(f, "[{pid}]")?;
        }
        match (&self.container, self.pid) {
            (Some(container), Some(_)) => write!(f, " in {container}"),
            (Some(container), None) => f.write_str(container),
            (None, _) => Ok(()),
        }
    }
}

impl Ownership {
    /// The process, if it is known.
    #[must_use]
    pub fn owner(&self) -> Option<&Owner> {
        match self {
            Self::Known(owner) => Some(owner),
            Self::Unknown(_) | Self::Elsewhere => None,
        }
    }
}

/// Finds out who conversations belong to, while they are captured.
pub trait Attributor: fmt::Debug + Send {
    /// The owners of a conversation, as far as they are known by now. `start` and `end` are the times of its first and its
    /// last packet so far: other conversations may have had the same endpoints before. Asked again when the conversation
    /// ends, if something was unknown before.
    fn owners(&mut self, protocol: u8, client: SocketAddr, server: SocketAddr, start: Time, end: Time) -> Owners;

    /// What it could not see so far, in words; the owners of whoever is concerned are unknown.
    fn notes(&self) -> Vec<String>;
}
