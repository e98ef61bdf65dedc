//! What a trace found, as rows.

use std::net::IpAddr;
use std::sync::Arc;

use super::answer::{Answer, Icmp, Label, Translation};
use super::networks::Network;
use super::path::{Path, Sent};
use super::verdict::Conclusion;
use crate::record::{Duration, Time};

/// The way to a host and port, with a verdict.
#[derive(Debug, Clone)]
pub struct Trace {
    pub(super) host: String,
    pub(super) address: IpAddr,
    pub(super) port: Option<u16>,
    pub(super) protocol: super::Protocol,
    pub(super) prober: &'static str,
    pub(super) source: Option<IpAddr>,
    pub(super) interface: Option<String>,
    pub(super) place: Option<String>,
    pub(super) start: Time,
    pub(super) duration: Duration,
    pub(super) conclusion: Conclusion,
    pub(super) hops: Vec<Arc<Hop>>,
}

/// A hop of a trace: who answered probes with that time to live.
#[derive(Debug, Clone)]
pub struct Hop {
    pub(super) ttl: u8,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) name: Option<String>,
    pub(super) network: Option<Network>,
    pub(super) rtts: Vec<Duration>,
    pub(super) icmp: Option<Icmp>,
    pub(super) sent: usize,
    pub(super) lost: usize,
    pub(super) labels: Vec<Label>,
    pub(super) translation: Option<Translation>,
}

impl Hop {
    /// What a path says of a time to live.
    #[must_use]
    pub fn of(path: &Path, ttl: u8) -> Self {
        let mut addresses: Vec<IpAddr> = Vec::new();
        let mut icmp = None;
        let mut labels = Vec::new();
        let mut translation = None;
        for reply in path.replies(ttl) {
            if !addresses.contains(&reply.from) {
                addresses.push(reply.from);
            }
            if let Answer::Icmp(message) = reply.answer {
                icmp = icmp.or(Some(message));
            }
            if labels.is_empty() {
                labels.clone_from(&reply.labels);
            }
            translation = translation.or(reply.translation);
        }
        let sent = path.sent(ttl);
        let rtts = sent.iter().filter_map(Sent::round_trip).map(Duration::from).collect();
        Self {
            ttl,
            addresses,
            name: None,
            network: None,
            rtts,
            icmp,
            sent: sent.len(),
            lost: path.lost(ttl),
            labels,
            translation,
        }
    }

    /// The time to live.
    #[must_use]
    pub const fn ttl(&self) -> u8 {
        self.ttl
    }

    /// Who answered, in the order in which they first did.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    #[expect(clippy::cast_precision_loss, reason = "a hop is probed ten times at most")]
    fn loss(&self) -> Option<f64> {
        let decided = self.rtts.len() + self.lost;
        (decided > 0).then(|| 100.0 * self.lost as f64 / decided as f64)
    }
}

impl Trace {
    /// What the trace says of the target.
    #[must_use]
    pub const fn conclusion(&self) -> &Conclusion {
        &self.conclusion
    }

    /// The hops, the nearest first.
    #[must_use]
    pub fn hops(&self) -> &[Arc<Hop>] {
        &self.hops
    }

    /// Who was traced.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Which prober was used.
    #[must_use]
    pub const fn prober(&self) -> &'static str {
        self.prober
    }

    /// How long it took.
    #[must_use]
    pub const fn duration(&self) -> Duration {
        self.duration
    }

    /// The host, with the port where there is one.
    #[must_use]
    pub fn endpoint(&self) -> String {
        match (self.port, self.host.contains(':')) {
            (None, _) => self.host.clone(),
            (Some(port), false) => format!("{}:{port}", self.host),
            (Some(port), true) => format!("[{}]:{port}", self.host),
        }
    }

    /// The hop that blocks.
    #[must_use]
    pub fn blocked_at(&self) -> Option<&Arc<Hop>> {
        let ttl = self.conclusion.blocked_at?;
        self.hops.iter().find(|hop| hop.ttl == ttl)
    }

    fn translation(&self) -> Option<String> {
        let hop = self.hops.iter().find(|hop| hop.translation.is_some())?;
        Some(format!("at or before hop {}: {}", hop.ttl, hop.translation?))
    }
}

crate::record! {
    /// The way to a host and port, hop by hop, with a verdict.
    impl Record for Trace as "trace" {
        /// When it began.
        start: Time => |trace| trace.start;
        /// The host, as it was asked for.
        host: Text, main => |trace| trace.host.as_str();
        /// The address that was traced.
        address: Address, main => |trace| trace.address;
        /// The port; none for ICMP.
        port: Integer, main => |trace| trace.port;
        /// What it was probed with: `tcp`, `udp`, `icmp`.
        protocol: Text => |trace| trace.protocol.name();
        /// What became of the probes: `open`, `closed` (reset), `filtered` (silence), `prohibited` (ICMP says so),
        /// `unreachable` (ICMP says so, or the route is a circle), `inconclusive`.
        verdict: Text, main => |trace| trace.conclusion.verdict.name();
        /// Why, in one sentence.
        reason: Text, main => |trace| trace.conclusion.reason.as_str();
        /// Whether the target itself answered. An ICMP message from the middle of the path never says so.
        reached: Bool => |trace| trace.conclusion.verdict.reached();
        /// The hop that blocks: who says so, or the last one that answered before the silence; none if nothing blocks,
        /// or not even the first hop answered.
        blocked_at: Record, main => |trace| trace.blocked_at().cloned();
        /// The hops, the nearest first: a list of `hop`.
        hops: List => |trace| trace.hops.clone();
        /// Address translation that was noticed on the way, and where.
        translation: Text => |trace| trace.translation();
        /// How it was probed: `connect` (TCP without privilege), `half-open` (raw SYN, CAP_NET_RAW), `datagram` (UDP),
        /// `echo` (ICMP without privilege), `raw echo` (CAP_NET_RAW).
        prober: Text => |trace| trace.prober;
        /// The address that probes came from.
        source: Address => |trace| trace.source;
        /// The interface that was asked for.
        interface: Text => |trace| trace.interface.as_deref();
        /// The container, network namespace or process from inside of which it was traced, if that was asked for.
        netns: Text => |trace| trace.place.as_deref();
        /// How long it took.
        duration: Duration => |trace| trace.duration;
    }
}

crate::record! {
    /// A hop of a trace: who answered the probes that were sent with this time to live.
    impl Record for Hop as "hop" {
        /// Time to live of the probes: how far away the hop is.
        ttl: Integer, main => |hop| hop.ttl;
        /// Who answered, the first if several; none if nobody did.
        address: Address, main => |hop| hop.addresses.first().copied();
        /// All who answered: several if there are several paths.
        addresses: List => |hop| hop.addresses.clone();
        /// The name of the first address, if it was looked up and has one.
        name: Text, main => |hop| hop.name.as_deref();
        /// Number of the autonomous system that the first address belongs to, if it was looked up.
        as_number: Integer => |hop| hop.network.as_ref().map(|network| network.number);
        /// Who runs that autonomous system.
        as_name: Text => |hop| hop.network.as_ref().and_then(|network| network.name.as_deref());
        /// Round trips of the probes that were answered, in the order in which they were sent.
        rtts: List, main => |hop| hop.rtts.clone();
        /// What the ICMP message says, in words with type and code; none if the target answered otherwise.
        icmp: Text, main => |hop| hop.icmp.map(|icmp| icmp.to_string());
        /// ICMP type.
        icmp_type: Integer => |hop| hop.icmp.map(|icmp| icmp.kind);
        /// ICMP code.
        icmp_code: Integer => |hop| hop.icmp.map(|icmp| icmp.code);
        /// Probes that were lost, of those that had time to be answered. Routers limit how many they answer: loss that
        /// does not go on at the next hop is theirs, and not of the path.
        loss: Float in "percent", main => |hop| hop.loss();
        /// Probes that were sent.
        sent: Integer in "packets" => |hop| hop.sent;
        /// MPLS labels with which the probe arrived (RFC 4950), outermost first.
        mpls: List => |hop| hop.labels.iter().map(|label| label.label).collect::<Vec<_>>();
        /// What this hop shows of address translation: destination or source as it saw them, or that it answers with the
        /// address of the target.
        translation: Text => |hop| hop.translation.map(|translation| translation.to_string());
    }
}
