//! Names and addresses.

mod ask;
mod query;
mod system;

use std::net::{IpAddr, ToSocketAddrs as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

use self::ask::ask;
use self::query::{Answer, Question, Refusal};
use self::system::{Settings, listed};
use super::TraceError;
use super::record::Hop;
use crate::record::Time;

/// The addresses of a host, in the order in which the system would use them.
pub(super) fn addresses(host: &str, stop: BorrowedFd<'_>) -> Result<Vec<IpAddr>, TraceError> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    // The system's own search may take half a minute and cannot be ended: it goes on by itself when nobody waits.
    let failed = |cause| TraceError::System { doing: format!("look {host} up"), cause };
    let done = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).map_err(|error| failed(error.into()))?);
    let (sender, receiver) = channel();
    let (name, signal) = (host.to_owned(), done.clone());
    let search = move || {
        let found = (name.as_str(), 0).to_socket_addrs().map(|all| all.map(|address| address.ip()).collect());
        // Nobody may be waiting any more.
        let _ = sender.send(found);
        let _ = rustix::io::write(&*signal, &1_u64.to_ne_bytes());
    };
    thread::Builder::new().name("resolver".into()).spawn(search).map_err(failed)?;
    let done = done.as_fd();
    let mut fds = [PollFd::new(&done, PollFlags::IN), PollFd::new(&stop, PollFlags::IN)];
    poll(&mut fds, None).map_err(|error| failed(error.into()))?;
    match receiver.try_recv() {
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(error)) => {
            let text = error.to_string();
            // What the C library says comes behind what the standard library says of it.
            let why = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_owned();
            Err(TraceError::UnknownHost { host: host.to_owned(), why })
        }
        Err(_) => Err(TraceError::Stopped),
    }
}

/// How long the names of all hops are waited for.
const NAMES_TIMEOUT: Duration = Duration::from_secs(1);

/// Looks the first addresses of hops up, all at once: those that are public, or all.
pub(super) fn of_hops(hops: &mut [Hop], all: bool, stop: BorrowedFd<'_>) {
    let address = |hop: &Hop| hop.addresses.first().copied().filter(|address| all || is_public(*address));
    let mut questions: Vec<Question> = Vec::new();
    for question in hops.iter().filter_map(address).map(Question::Ptr) {
        if !questions.contains(&question) {
            questions.push(question);
        }
    }
    let Some(&server) = Settings::of_host().servers.first() else { return };
    // A name that cannot be had is none.
    let Ok(answers) = ask(server, &questions, NAMES_TIMEOUT, stop) else { return };
    for hop in hops {
        let question = address(hop).map(Question::Ptr);
        let answer = questions.iter().zip(&answers).find(|(asked, _)| Some(*asked) == question.as_ref());
        hop.name = answer.and_then(|(_, answer)| answer.as_ref()?.names.first().cloned());
    }
}

/// Whether an address belongs to no private network (RFC 1918, RFC 4193, RFC 6598), link or host.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            let shared = a == 100 && (64..128).contains(&b);
            !(address.is_private() || address.is_loopback() || address.is_link_local() || shared)
        }
        IpAddr::V6(address) => !(address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()),
    }
}

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
    let start = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let clock = Instant::now();
    let mut resolution = Resolution {
        start: Time::from_nanos(crate::record::Duration::from(start).as_nanos()),
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
