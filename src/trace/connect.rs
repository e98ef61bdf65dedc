//! One connection: whether a port answers, and how fast.

use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::record::Trace;
use super::verdict::Verdict;
use super::{Method, Names, Plan, Protocol, Request, TraceError, trace};

/// What became of a connection.
#[derive(Debug, Clone)]
pub struct Attempt(Trace);

/// The time to live that packets of Linux have.
const TTL: u8 = 64;

/// Connects once, with a connection that is reset as soon as it is there.
///
/// # Errors
///
/// Those of [`trace`].
pub fn connect(request: &Request, timeout: Duration, stop: BorrowedFd<'_>) -> Result<Attempt, TraceError> {
    let plan = Plan { first: TTL, last: TTL, probes: 1, timeout, ..Plan::default() };
    let once =
        Request { plan, protocol: Protocol::Tcp, method: Method::Connect, names: Names::None, ..request.clone() };
    trace(&once, stop).map(Attempt)
}

impl Attempt {
    /// What became of it.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.0.conclusion.verdict
    }

    fn from(&self) -> Option<IpAddr> {
        self.0.hops.first().and_then(|hop| hop.addresses.first().copied())
    }

    fn icmp(&self) -> Option<String> {
        self.0.hops.first().and_then(|hop| hop.icmp).map(|icmp| icmp.to_string())
    }

    fn reason(&self) -> String {
        let said = || Some(format!("{} says: {}", self.from()?, self.icmp()?));
        match self.verdict() {
            Verdict::Open => "the target accepts".to_owned(),
            Verdict::Closed => "the target resets the connection".to_owned(),
            Verdict::Filtered => format!("nothing answers within {}", self.0.duration),
            Verdict::Prohibited | Verdict::Unreachable => said().unwrap_or_default(),
            Verdict::Inconclusive => said().unwrap_or_else(|| self.0.conclusion.reason.clone()),
        }
    }
}

crate::record! {
    /// One TCP connection: whether a port answers, and how fast.
    impl Record for Attempt as "probe" {
        /// When it began.
        start: Time => |it| it.0.start;
        /// The host, as it was asked for.
        host: Text, main => |it| it.0.host.as_str();
        /// The address that was connected to.
        address: Address, main => |it| it.0.address;
        /// The port.
        port: Integer, main => |it| it.0.port;
        /// As of a trace: `open`, `closed`, `filtered`, `prohibited`, `unreachable`, `inconclusive`.
        verdict: Text, main => |it| it.0.conclusion.verdict.name();
        /// Why, in one sentence.
        reason: Text, main => |it| it.reason();
        /// Whether the target itself answered.
        reached: Bool => |it| it.0.conclusion.verdict.reached();
        /// From the SYN to the answer; none if there was none.
        rtt: Duration, main => |it| it.0.hops.first().and_then(|hop| hop.rtts.first().copied());
        /// Who answered: the target, or who sent an ICMP message.
        from: Address => |it| it.from();
        /// What the ICMP message says, if it was one.
        icmp: Text => |it| it.icmp();
        /// The address that it was connected from.
        source: Address => |it| it.0.source;
        /// How long it took altogether.
        duration: Duration => |it| it.0.duration;
    }
}
