//! What the kernel side (`bpf/egress.bpf.c`) tells, from bytes.

use std::net::SocketAddr;

use crate::host::bpf::{Fields, address};

/// What happened, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// When, in nanoseconds of `CLOCK_MONOTONIC`.
    pub(super) time: u64,
    pub(super) pid: u32,
    pub(super) reason: Reason,
    /// The `comm` of the process; empty where the kernel handled a packet.
    pub(super) name: String,
    pub(super) what: What,
}

/// Why a process is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reason(pub(super) u8);

impl Reason {
    /// It descends from the command.
    pub(super) const COMMAND: Self = Self(1);
    /// It descends from a container engine, or is one.
    pub(super) const ENGINE: Self = Self(2);
    /// It is netscript itself, which proves that it would be seen.
    pub(super) const CANARY: Self = Self(4 | Self::COMMAND.0);

    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// The process was made by another one.
    Forked {
        parent: u32,
    },
    /// It runs another program: its arguments, each with a zero behind it, and the control groups that it is in.
    Executed {
        arguments: Vec<u8>,
        groups: [String; 2],
    },
    Exited,
    /// It asked the local service with this number.
    Asked(u64),
    /// Something about a socket.
    Socket(Happening),
}

/// What happened to a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Happening {
    /// Which socket; never used again.
    pub(super) cookie: u64,
    pub(super) step: Step,
    /// As IP headers have it; 262 for multipath TCP.
    pub(super) protocol: u16,
    /// Whom it tries to reach; the port is 0 where the protocol has none.
    pub(super) peer: SocketAddr,
    /// Its own end, once that is known.
    pub(super) local: Option<SocketAddr>,
    /// An errno; 0 for none.
    pub(super) error: u16,
    /// TCP payload, in bytes.
    pub(super) bytes: [u64; 2],
}

/// What happens to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Begun(How),
    /// The other side answered.
    Connected,
    /// The kernel says that it cannot be.
    Failed,
    /// A firewall of this host dropped the packet.
    Dropped,
    /// The rules do not allow it.
    Refused(How),
    /// The socket is closed; whether it did anything.
    Closed {
        used: bool,
    },
}

/// How an attempt was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Connect,
    Send,
    /// A packet that left.
    Packet,
    /// A packet that left past the network stack, from a packet socket.
    PacketSocket,
}

impl How {
    /// The text that records show.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Send => "send",
            Self::Packet => "packet",
            Self::PacketSocket => "packet-socket",
        }
    }

    const fn numbered(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Connect,
            2 => Self::Send,
            3 => Self::Packet,
            4 => Self::PacketSocket,
            _ => return None,
        })
    }
}

impl Event {
    /// Reads a `struct event` or a `struct execution`; none if it is neither.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let (time, cookie, out, back) = (fields.u64()?, fields.u64()?, fields.u64()?, fields.u64()?);
        let (kind, pid, parent, error) = (fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?);
        let (port, local_port, protocol) = (fields.u16()?, fields.u16()?, fields.u16()?);
        let [family, how, reason, _, _, _, _, _, _, _] = fields.array()?;
        let (peer, local) = (address(family, fields.array()?), fields.array()?);
        let name = text(&fields.array::<16>()?);
        let step = match (kind, How::numbered(how)) {
            (4, Some(how)) => Some(Step::Begun(how)),
            (5, _) => Some(Step::Connected),
            (6, _) => Some(Step::Failed),
            (7, Some(how)) => Some(Step::Refused(how)),
            (8, how) => Some(Step::Closed { used: how.is_some() }),
            (10, _) => Some(Step::Dropped),
            _ => None,
        };
        let what = match (kind, step) {
            (_, Some(step)) => What::Socket(Happening {
                cookie,
                step,
                protocol,
                peer: SocketAddr::new(peer, port),
                local: (local_port != 0).then(|| SocketAddr::new(address(family, local), local_port)),
                error: u16::try_from(error).unwrap_or_default(),
                bytes: [out, back],
            }),
            (1, _) => What::Forked { parent },
            (2, _) => execution(&mut fields)?,
            (3, _) => What::Exited,
            (9, _) => What::Asked(cookie),
            _ => return None,
        };
        Some(Self { time, pid, reason: Reason(reason), name, what })
    }
}

/// What a `struct execution` has behind its event.
fn execution(fields: &mut Fields<'_>) -> Option<What> {
    let (length, _) = (fields.u32()?, fields.u32()?);
    let arguments = fields.array::<512>()?;
    let arguments = arguments.get(..length as usize)?.to_vec();
    let mut group = || {
        let (name, parent) = (text(&fields.array::<80>()?), text(&fields.array::<80>()?));
        Some(format!("/{parent}/{name}"))
    };
    Some(What::Executed { arguments, groups: [group()?, group()?] })
}

/// A text that ends with the first zero, or with the field.
fn text(bytes: &[u8]) -> String {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// A packet of a watched socket, from its IP header on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Copied {
    /// When, in nanoseconds of `CLOCK_MONOTONIC`.
    pub(super) time: u64,
    pub(super) cookie: u64,
    /// The process whose socket it is.
    pub(super) pid: u32,
    /// How long it was.
    pub(super) length: u32,
    /// Whether it left.
    pub(super) is_outgoing: bool,
    /// Whether it is counted as an answer about names.
    pub(super) is_answer: bool,
    /// What of it was copied.
    pub(super) bytes: Vec<u8>,
}

impl Copied {
    /// Reads a `struct packet` with the bytes behind it; none if it is not one.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let (time, cookie) = (fields.u64()?, fields.u64()?);
        let (pid, length, captured, kind) = (fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?);
        let bytes = fields.0.get(..captured as usize)?.to_vec();
        Some(Self { time, cookie, pid, length, is_outgoing: kind == 1, is_answer: kind == 2, bytes })
    }
}
