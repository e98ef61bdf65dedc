//! What a path says about the target: one word, the hop that matters, and a sentence.

use std::fmt;
use std::net::IpAddr;

use super::Protocol;
use super::answer::{Answer, Meaning, Reply};
use super::path::Path;

/// What became of the probes, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The target accepts.
    Open,
    /// The target, or somebody in its name, resets the connection.
    Closed,
    /// The probes vanish.
    Filtered,
    /// Somebody forbids them, and says so.
    Prohibited,
    /// Somebody knows no way to the target, or the way is a circle.
    Unreachable,
    /// It cannot be told.
    Inconclusive,
}

impl Verdict {
    /// The word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Filtered => "filtered",
            Self::Prohibited => "prohibited",
            Self::Unreachable => "unreachable",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// Whether the target itself answered. A message from the middle of the path never says so.
    #[must_use]
    pub const fn reached(self) -> bool {
        matches!(self, Self::Open | Self::Closed)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A verdict with what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conclusion {
    /// The word.
    pub verdict: Verdict,
    /// Why, in one sentence.
    pub reason: String,
    /// Time to live of the hop that blocks: who says so, or the last one that answered before the silence.
    pub blocked_at: Option<u8>,
    /// Time to live of the last hop that belongs to the path.
    pub last: u8,
}

/// What a finished path says.
///
/// `interruption` says why the trace ended before its time, if it did.
#[must_use]
pub fn conclude(path: &Path, interruption: Option<&str>) -> Conclusion {
    let refused = path.refused();
    match path.arrived() {
        Some(arrived) => arrival(path, arrived, refused),
        None => match refused {
            Some(refused) => refusal(path, refused),
            None => silence(path, interruption),
        },
    }
}

/// Some probe has arrived.
fn arrival(path: &Path, arrived: u8, refused: Option<u8>) -> Conclusion {
    let some = |wanted| path.lowest(|meaning| meaning == wanted).is_some();
    let (verdict, reason, blocked_at) = match (some(Meaning::Open), some(Meaning::Closed), refused) {
        (_, _, Some(refused)) => {
            let (speaker, words) = speaker(path, refused);
            let at = first_seen(path, speaker).unwrap_or(refused);
            let reason = format!("some probes arrive, and to others {} says: {words}", hop(at, speaker));
            (Verdict::Inconclusive, reason, Some(at))
        }
        (true, true, None) => {
            (Verdict::Inconclusive, "the target accepts some probes and resets others".to_owned(), None)
        }
        (true, false, None) => (Verdict::Open, format!("the target answers at hop {arrived}"), None),
        (false, _, None) => {
            let how =
                if path.protocol() == Protocol::Udp { "says that nobody listens" } else { "resets the connection" };
            (Verdict::Closed, format!("the target {how}, at hop {arrived}"), None)
        }
    };
    Conclusion { verdict, reason, blocked_at, last: arrived }
}

/// Nothing has arrived, and somebody says why.
fn refusal(path: &Path, refused: u8) -> Conclusion {
    let (speaker, words) = speaker(path, refused);
    let prohibited = path.replies(refused).any(|reply| path.meaning(reply) == Meaning::Prohibited);
    let at = first_seen(path, speaker).unwrap_or(refused);
    Conclusion {
        verdict: if prohibited { Verdict::Prohibited } else { Verdict::Unreachable },
        reason: format!("{} says: {words}", hop(at, speaker)),
        blocked_at: Some(at),
        last: refused,
    }
}

/// Nothing has arrived, and nobody says why.
fn silence(path: &Path, interruption: Option<&str>) -> Conclusion {
    let answered = path.probed().rev().find_map(|ttl| Some((ttl, path.replies(ttl).next()?.from)));
    let end = path.probed().next_back().unwrap_or_default();
    let heard = answered.map_or(0, |(ttl, _)| ttl);
    let circle = circle(path);
    let inconclusive = |reason: String| (Verdict::Inconclusive, reason, None);
    let (verdict, reason, blocked_at) = match (answered, circle) {
        _ if interruption.is_some() => inconclusive(interruption.unwrap_or_default().to_owned()),
        (_, Some((ttl, address, other))) => {
            let reason = format!("the route is a circle: {} and {other} send to each other", hop(ttl, address));
            (Verdict::Unreachable, reason, Some(ttl))
        }
        (Some((ttl, _)), None) if ttl == end => {
            inconclusive(format!("the path is longer than {end} hops, and nobody beyond them was asked"))
        }
        (Some((ttl, from)), None) if path.protocol() == Protocol::Udp => inconclusive(format!(
            "nothing answers beyond {}: a UDP service that has nothing to say is as silent as a filter",
            hop(ttl, from)
        )),
        (None, None) if path.protocol() == Protocol::Udp => {
            inconclusive("nothing answers: a UDP service that has nothing to say is as silent as a filter".to_owned())
        }
        (Some((ttl, from)), None) => {
            (Verdict::Filtered, format!("nothing answers beyond {}", hop(ttl, from)), Some(ttl))
        }
        (None, None) => (Verdict::Filtered, "nothing answers, not even the first hop".to_owned(), None),
    };
    // One silent hop behind the last that answered shows where it ends.
    Conclusion { verdict, reason, blocked_at, last: heard.saturating_add(1).min(end) }
}

/// A route that comes back: the time to live with which its first hop is reached, the address of that hop and of another.
///
/// An address that is seen twice may be a path that is longer for some probes than for others. Two that take turns, or
/// one that comes back again and again with others between, are a circle.
fn circle(path: &Path) -> Option<(u8, IpAddr, IpAddr)> {
    let way: Vec<(u8, IpAddr)> = path.probed().filter_map(|ttl| Some((ttl, path.replies(ttl).next()?.from))).collect();
    way.iter().enumerate().find_map(|(i, &(ttl, address))| {
        let rest = &way[i + 1..];
        let other = rest.first().filter(|(_, next)| *next != address)?.1;
        // How often it is come back to from elsewhere.
        let returns =
            |to: IpAddr, way: &[(u8, IpAddr)]| way.windows(2).filter(|pair| pair[0].1 != to && pair[1].1 == to).count();
        let back = returns(address, &way[i..]);
        let taking_turns = back >= 1 && returns(other, rest) >= 1;
        (back >= 2 || taking_turns).then_some((ttl, address, other))
    })
}

/// Who refuses, and in which words.
fn speaker(path: &Path, refused: u8) -> (IpAddr, String) {
    let refuses = |reply: &&Reply| matches!(path.meaning(reply), Meaning::Prohibited | Meaning::Unreachable);
    path.replies(refused).find(refuses).map_or((path.target(), String::new()), |reply| {
        let words = match reply.answer {
            Answer::Icmp(icmp) => icmp.to_string(),
            Answer::Accepted | Answer::Reset => String::new(),
        };
        (reply.from, words)
    })
}

/// The lowest time to live that this address answered.
fn first_seen(path: &Path, address: IpAddr) -> Option<u8> {
    path.probed().find(|&ttl| path.replies(ttl).any(|reply| reply.from == address))
}

fn hop(ttl: u8, address: IpAddr) -> String {
    format!("hop {ttl} ({address})")
}
