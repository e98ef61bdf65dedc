//! What a trace has seen so far: which probes were sent, and what came back.

use std::net::IpAddr;
use std::time::Duration;

use super::Protocol;
use super::answer::{Answer, Meaning, Reply, Translation};
use super::strategy::Probe;

/// What was seen of the way to a target. Times are spans since the trace began.
#[derive(Debug, Clone)]
pub struct Path {
    target: IpAddr,
    protocol: Protocol,
    /// Probes by time to live and attempt.
    sent: Vec<Vec<Sent>>,
    ended: Duration,
}

/// A probe that was sent.
#[derive(Debug, Clone)]
pub struct Sent {
    /// When.
    pub at: Duration,
    /// When the first reply came, and what it was.
    pub reply: Option<(Duration, Reply)>,
}

impl Path {
    /// The way to a target, of which nothing is known.
    #[must_use]
    pub fn new(target: IpAddr, protocol: Protocol) -> Self {
        Self { target, protocol, sent: Vec::new(), ended: Duration::ZERO }
    }

    /// Where it leads.
    #[must_use]
    pub const fn target(&self) -> IpAddr {
        self.target
    }

    /// What it was probed with.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The probes that were sent with a time to live.
    #[must_use]
    pub fn sent(&self, ttl: u8) -> &[Sent] {
        self.sent.get(usize::from(ttl)).map_or(&[], Vec::as_slice)
    }

    /// The replies to the probes that were sent with a time to live.
    pub fn replies(&self, ttl: u8) -> impl Iterator<Item = &Reply> {
        self.sent(ttl).iter().filter_map(|sent| sent.reply.as_ref().map(|(_, reply)| reply))
    }

    /// The times to live that were probed.
    pub fn probed(&self) -> impl DoubleEndedIterator<Item = u8> {
        (0..=u8::MAX).take(self.sent.len()).filter(|&ttl| !self.sent(ttl).is_empty())
    }

    /// What a reply means for the way of its probe.
    #[must_use]
    pub fn meaning(&self, reply: &Reply) -> Meaning {
        reply.meaning(self.protocol, self.target)
    }

    /// How many probes of a time to live were lost: those that were not answered although there was time, twice the
    /// longest round trip of that hop.
    #[must_use]
    pub fn lost(&self, ttl: u8) -> usize {
        let sent = self.sent(ttl);
        let longest = sent.iter().filter_map(Sent::round_trip).max().unwrap_or_default();
        sent.iter().filter(|sent| sent.reply.is_none() && sent.at + longest * 2 <= self.ended).count()
    }

    /// When the last thing was seen.
    #[must_use]
    pub const fn ended(&self) -> Duration {
        self.ended
    }

    /// The lowest time to live that got a reply with such a meaning.
    pub(super) fn lowest(&self, wanted: impl Fn(Meaning) -> bool) -> Option<u8> {
        self.probed().find(|&ttl| self.replies(ttl).any(|reply| wanted(self.meaning(reply))))
    }

    /// Whether that time to live, or a higher one, was answered.
    pub(super) fn answered_from(&self, ttl: u8) -> bool {
        self.probed().rev().take_while(|&other| other >= ttl).any(|other| self.replies(other).next().is_some())
    }

    pub(super) fn send(&mut self, probe: Probe, at: Duration) {
        let ttl = usize::from(probe.ttl);
        if self.sent.len() <= ttl {
            self.sent.resize_with(ttl + 1, Vec::new);
        }
        self.sent[ttl].push(Sent { at, reply: None });
    }

    /// Gives the round trip if this is the first reply to a probe that was sent.
    pub(super) fn receive(&mut self, now: Duration, probe: Probe, mut reply: Reply) -> Option<Duration> {
        if matches!(reply.answer, Answer::Icmp(_))
            && reply.from == self.target
            && self.meaning(&reply) == Meaning::Passing
        {
            // No host says of a packet that is for itself that it came too far.
            reply.translation.get_or_insert(Translation::Masquerade);
        }
        let sent = self.sent.get_mut(usize::from(probe.ttl))?.get_mut(usize::from(probe.attempt))?;
        if sent.reply.is_some() {
            return None;
        }
        sent.reply = Some((now, reply));
        sent.round_trip()
    }

    pub(super) fn ended_at(mut self, now: Duration) -> Self {
        self.ended = now;
        self
    }
}

impl Sent {
    /// From the probe to its reply.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.reply.as_ref().map(|(at, _)| at.saturating_sub(self.at))
    }
}
