//! The record of one attempt to reach somebody.

use std::net::SocketAddr;
use std::sync::Arc;

use super::event::How;
use super::process::Process;
use crate::packet::protocol_name;
use crate::record::Time;

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reached {
    /// TCP: the connection was made.
    Connected,
    /// Something came back.
    Answered,
    /// Packets left, and nothing is known to have come back.
    Sent,
    /// The other side, or somebody on the way, said no: a reset, or an ICMP error about the port.
    Refused,
    /// Nothing came back until it was given up.
    NoAnswer,
    /// TCP: nothing came back until the watch ended.
    Pending,
    /// There is no route, or a router said so.
    Unreachable,
    /// A firewall of this host dropped it.
    Dropped,
    /// The kernel did not permit it.
    Denied,
    /// The rules of this run did not allow it.
    Blocked,
    /// Something else went wrong; `error` says what.
    Failed,
    /// No packet left, and the kernel did not say why.
    #[default]
    NotSent,
}

impl Reached {
    /// The text that records show.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Answered => "answered",
            Self::Sent => "sent",
            Self::Refused => "refused",
            Self::NoAnswer => "no answer",
            Self::Pending => "pending",
            Self::Unreachable => "unreachable",
            Self::Dropped => "dropped",
            Self::Denied => "denied",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
            Self::NotSent => "not sent",
        }
    }

    /// Whether it got through; nothing where packets left and that is all that is known.
    #[must_use]
    pub const fn got_through(self) -> Option<bool> {
        match self {
            Self::Connected | Self::Answered => Some(true),
            Self::Sent | Self::Pending => None,
            _ => Some(false),
        }
    }
}

/// Whose attempt it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whose {
    /// The process descends from the command.
    Descent,
    /// Its container was begun by an engine that nobody but the command talked to.
    Container,
    /// It is in a packet of the conversation.
    Packet,
    /// It is not certain that it is the command's: why.
    Unknown(Arc<str>),
}

/// An attempt to reach somebody, whether it got through or not.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub(super) time: Time,
    pub(super) end: Option<Time>,
    pub(super) process: Option<Arc<Process>>,
    /// What the container of the process is called.
    pub(super) container: Option<Arc<str>>,
    pub(super) whose: Whose,
    pub(super) how: How,
    pub(super) protocol: u16,
    pub(super) peer: SocketAddr,
    pub(super) local: Option<SocketAddr>,
    pub(super) reached: Reached,
    pub(super) error: u16,
    /// Sent and received, if that is known.
    pub(super) packets: Option<[u64; 2]>,
    pub(super) bytes: Option<[u64; 2]>,
    pub(super) names: Vec<Arc<str>>,
    pub(super) server_name: Option<Arc<str>>,
}

/// TCP in an IP header, and how the kernel calls its multipath kind.
pub(super) const TCP: u16 = 6;
const MULTIPATH_TCP: u16 = 262;
const ICMP: [u16; 2] = [1, 58];

crate::record! {
    /// An attempt of a process to reach somebody, whether it got through or not, and whether a packet left or not.
    impl Record for Attempt as "egress_attempt" {
        /// When it was made.
        time: Time, main => |x| x.time;
        /// When the socket was closed; none if it was open when the watch ended.
        end: Time => |x| x.end;
        /// Name of the process (`comm`).
        process: Text, main => |x| x.process.as_ref().map(|process| &*process.name);
        /// Identifier of the process.
        pid: Integer => |x| x.process.as_ref().map(|process| process.pid);
        /// Its command line, at most 512 bytes; secrets are masked.
        command: Text => |x| x.process.as_ref().map(|process| &*process.command).filter(|command| !command.is_empty());
        /// The processes that it descends from, the nearest first, up to the command: `make (4711)`.
        parents: List => |x| x.parents();
        /// The container that the process runs in; none on the host itself.
        container: Text => |x| x.container.as_deref();
        /// How it is known whose attempt this is: `descent` (the process descends from the command), `container` (an engine
        /// began the container while nobody but the command talked to it), `packet` (of a capture: processes are known as
        /// far as they are of a flow); or `unknown: ` and why it is not certain that it belongs to the command, or who of the two made it.
        attribution: Text => |x| x.attribution();
        /// Protocol: `tcp`, `udp`, `icmp`, `icmp6`, …
        protocol: Text, main => |x| x.protocol();
        /// Whom it tries to reach: the address that the process named.
        address: Address, main => |x| x.peer.ip();
        /// The port that it tries to reach; none where the protocol has no ports.
        port: Integer, main => |x| x.port();
        /// The name for which the address was looked up; none if it was not, or if nobody saw it.
        name: Text, main => |x| x.names.first().map(|name| &**name);
        /// All names under which answers to the process's own DNS queries gave the address, the one that was asked for first
        /// and the aliases (CNAME) behind it.
        names: List => |x| x.names.iter().map(|name| &**name).collect::<Vec<_>>();
        /// The server name that TLS or QUIC asked for there.
        server_name: Text => |x| x.server_name.as_deref();
        /// What came of it: `connected`, `answered`, `sent` (packets left, no answer was seen), `refused`, `no answer`,
        /// `pending` (the watch ended before there was one), `unreachable` (no route), `dropped` (by a firewall of this host),
        /// `denied` (by the kernel), `blocked` (by the rules of this run), `failed` (see `error`), `not sent`.
        result: Text, main => |x| x.reached.name();
        /// Why it did not work, as the kernel said it: `ENETUNREACH`.
        error: Text => |x| error_name(x.error);
        /// Whether it got through: true if somebody answered, false if nobody could, none if that is not known.
        reached: Bool => |x| x.reached.got_through();
        /// Packets that were sent. TCP: not counted.
        packets_out: Integer in "packets" => |x| x.packets.map(|[out, _]| out);
        /// Packets that came back. TCP: not counted.
        packets_in: Integer in "packets" => |x| x.packets.map(|[_, back]| back);
        /// Bytes that were sent: TCP payload, those sent again included; of other protocols with their IP headers. None while
        /// a TCP connection is open.
        bytes_out: Integer in "bytes" => |x| x.bytes.map(|[out, _]| out);
        /// Bytes that came back, counted likewise.
        bytes_in: Integer in "bytes" => |x| x.bytes.map(|[_, back]| back);
        /// How it was noticed: `connect` or `send` (what the process asked the kernel for), `packet` (one that left),
        /// `packet-socket` (one that left past the network stack).
        noticed: Text => |x| x.how.name();
        /// The address that it was made from, once it had one.
        source: Address => |x| x.local.map(|local| local.ip());
        /// The port that it was made from, once it had one.
        source_port: Integer => |x| x.local.map(|local| local.port());
    }
}

impl Attempt {
    fn port(&self) -> Option<u16> {
        (!ICMP.contains(&self.protocol) && self.peer.port() != 0).then(|| self.peer.port())
    }

    fn protocol(&self) -> std::borrow::Cow<'static, str> {
        match u8::try_from(self.protocol) {
            Ok(protocol) => protocol_name(protocol),
            Err(_) if self.protocol == MULTIPATH_TCP => protocol_name(6),
            Err(_) => "unknown".into(),
        }
    }

    fn parents(&self) -> Vec<&str> {
        self.process.iter().flat_map(|process| process.parents.iter().map(|parent| &**parent)).collect()
    }

    fn attribution(&self) -> std::borrow::Cow<'_, str> {
        match &self.whose {
            Whose::Descent => "descent".into(),
            Whose::Container => "container".into(),
            Whose::Packet => "packet".into(),
            Whose::Unknown(why) => format!("unknown: {why}").into(),
        }
    }

    /// Whether it is a TCP connection.
    pub(super) fn is_tcp(&self) -> bool {
        self.protocol == TCP || self.protocol == MULTIPATH_TCP
    }

    /// Takes in an error, unless somebody has answered before.
    pub(super) fn fail(&mut self, reached: Reached, error: u16) {
        if !matches!(self.reached, Reached::Connected | Reached::Answered | Reached::Blocked) {
            self.reached = reached;
            self.error = error;
        }
    }
}

/// Errors of Linux that say something about the way, by number: errno(3).
const ERRORS: &[(u16, &str, Reached)] = &[
    (1, "EPERM", Reached::Denied),
    (13, "EACCES", Reached::Denied),
    (97, "EAFNOSUPPORT", Reached::Failed),
    (98, "EADDRINUSE", Reached::Failed),
    (99, "EADDRNOTAVAIL", Reached::Failed),
    (100, "ENETDOWN", Reached::Unreachable),
    (101, "ENETUNREACH", Reached::Unreachable),
    (103, "ECONNABORTED", Reached::Refused),
    (104, "ECONNRESET", Reached::Refused),
    (105, "ENOBUFS", Reached::Failed),
    (110, "ETIMEDOUT", Reached::NoAnswer),
    (111, "ECONNREFUSED", Reached::Refused),
    (112, "EHOSTDOWN", Reached::Unreachable),
    (113, "EHOSTUNREACH", Reached::Unreachable),
];

/// What an error means for an attempt.
pub(super) fn reached_of(error: u16) -> Reached {
    ERRORS.iter().find(|(number, ..)| *number == error).map_or(Reached::Failed, |(.., reached)| *reached)
}

fn error_name(error: u16) -> Option<std::borrow::Cow<'static, str>> {
    if error == 0 {
        return None;
    }
    let name = ERRORS.iter().find(|(number, ..)| *number == error).map(|(_, name, _)| (*name).into());
    Some(name.unwrap_or_else(|| format!("errno {error}").into()))
}
