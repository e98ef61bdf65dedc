//! What became of a name, and who says so.

use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::ask::ask;
use super::query::{Answer, Question, Refusal};
use super::system::{Settings, listed};
use crate::clock::now;
use crate::record::Time;

/// What became of a name.
#[derive(Debug, Clone)]
pub struct Resolution {
    start: Time,
    name: String,
    canonical: Option<String>,
    addresses: Vec<IpAddr>,
    answered_by: Option<String>,
    outcome: &'static str,
    ttl: Option<u32>,
    duration: crate::record::Duration,
}

/// Looks a name up as this host would, in /etc/hosts and then with the name servers of /etc/resolv.conf, and says who
/// answered. It ends early when `stop` becomes readable.
#[must_use]
pub fn resolve(name: &str, timeout: Duration, stop: BorrowedFd<'_>) -> Resolution {
    let start = now();
    let clock = Instant::now();
    let mut resolution = Resolution {
        start,
        name: name.to_owned(),
        canonical: None,
        addresses: Vec::new(),
        answered_by: None,
        outcome: "no answer",
        ttl: None,
        duration: crate::record::Duration::ZERO,
    };
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let listed = name.parse().map(|address| vec![address]).unwrap_or_else(|_| listed(&hosts, name));
    if listed.is_empty() {
        resolution.ask(&Settings::of_host(), timeout, stop);
    } else {
        resolution.outcome = "found";
        resolution.answered_by = name.parse::<IpAddr>().is_err().then(|| "/etc/hosts".to_owned());
        resolution.addresses = listed;
    }
    resolution.duration = clock.elapsed().into();
    resolution
}

impl Resolution {
    /// `found`, or why it has no addresses.
    #[must_use]
    pub const fn outcome(&self) -> &'static str {
        self.outcome
    }

    /// Its addresses.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// For how many seconds the answer may be kept; none if no name server gave it.
    #[must_use]
    pub const fn ttl(&self) -> Option<u32> {
        self.ttl
    }

    /// Asks one server after the other, each for its share of the time, until one can tell.
    fn ask(&mut self, settings: &Settings, timeout: Duration, stop: BorrowedFd<'_>) {
        let share = timeout / u32::try_from(settings.servers.len()).unwrap_or(u32::MAX).max(1);
        for &server in &settings.servers {
            for name in settings.candidates(&self.name) {
                let questions = [Question::A(name.clone()), Question::Aaaa(name.clone())];
                let Ok(answers) = ask(server, &questions, share, stop) else { break };
                let heard: Vec<Answer> = answers.into_iter().flatten().collect();
                if heard.is_empty() {
                    break;
                }
                self.answered_by = Some(server.to_string());
                self.outcome = self.take(&name, heard);
                if self.outcome == "found" {
                    return;
                }
            }
            if self.outcome == "no such name" {
                return;
            }
        }
    }

    /// What the answers about a name say.
    fn take(&mut self, name: &str, answers: Vec<Answer>) -> &'static str {
        let refused = |wanted| answers.iter().any(|answer| answer.refusal == Some(wanted));
        let outcome = match () {
            () if answers.iter().any(|answer| !answer.addresses.is_empty()) => "found",
            () if refused(Refusal::Server) => "server failure",
            () if refused(Refusal::NoSuchName) => "no such name",
            () => "no address",
        };
        if outcome == "found" {
            self.ttl = answers.iter().filter_map(|answer| answer.ttl).min();
            self.canonical = answers.iter().find_map(|answer| answer.names.last().cloned());
            self.canonical.get_or_insert_with(|| name.to_owned());
            self.addresses = answers.into_iter().flat_map(|answer| answer.addresses).collect();
        }
        outcome
    }
}

crate::record! {
    /// What became of a name: its addresses, and who says so.
    impl Record for Resolution as "resolution" {
        /// When it was asked for.
        start: Time => |it| it.start;
        /// The name.
        name: Text, main => |it| it.name.as_str();
        /// `found`, `no such name` (NXDOMAIN), `no address`, `server failure`, or `no answer`.
        outcome: Text, main => |it| it.outcome;
        /// Its addresses, IPv4 first.
        addresses: List, main => |it| it.addresses.clone();
        /// The name that has them, behind aliases and with the search domain; none if no name server was asked.
        canonical: Text => |it| it.canonical.as_deref();
        /// Who answered: the address of a name server, or `/etc/hosts`; none if nobody did.
        answered_by: Text, main => |it| it.answered_by.as_deref();
        /// How long the answer may be kept.
        ttl: Integer in "seconds" => |it| it.ttl;
        /// How long it took.
        duration: Duration, main => |it| it.duration;
    }
}
