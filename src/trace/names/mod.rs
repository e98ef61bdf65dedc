//! Names and addresses.

mod ask;
mod query;
mod resolution;
mod system;

pub use resolution::{Resolution, resolve};

use std::net::{IpAddr, ToSocketAddrs as _};
use std::os::fd::BorrowedFd;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use self::ask::ask;
use self::query::Question;
use self::system::Settings;
use super::TraceError;
use super::record::Hop;
use crate::mailbox::mailbox;

/// The addresses of a host, in the order in which the system would use them.
pub(super) fn addresses(host: &str, stop: BorrowedFd<'_>) -> Result<Vec<IpAddr>, TraceError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        // An IPv4 address in the clothes of IPv6 (RFC 4291, section 2.5.5.2) is reached over IPv4.
        return Ok(vec![address.to_canonical()]);
    }
    // The system's own search may take half a minute and cannot be ended: it goes on by itself when nobody waits.
    let failed = |cause| TraceError::System { doing: format!("look {host} up"), cause };
    let (post, answer) = mailbox().map_err(failed)?;
    let name = host.to_owned();
    // Nobody may be waiting any more when it is done.
    let search =
        move || post.send((name.as_str(), 0).to_socket_addrs().map(|all| all.map(|address| address.ip()).collect()));
    thread::Builder::new().name("resolver".into()).spawn(search).map_err(failed)?;
    let mut fds = [PollFd::new(&answer, PollFlags::IN), PollFd::new(&stop, PollFlags::IN)];
    while let Err(error) = poll(&mut fds, None) {
        if error != rustix::io::Errno::INTR {
            return Err(failed(error.into()));
        }
    }
    match answer.take().and_then(|mut answers| answers.pop()) {
        Some(Ok(addresses)) => Ok(addresses),
        Some(Err(error)) => {
            let text = error.to_string();
            // What the C library says comes behind what the standard library says of it.
            let why = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_owned();
            Err(TraceError::UnknownHost { host: host.to_owned(), why })
        }
        None => Err(TraceError::Stopped),
    }
}

/// The name servers of this host, as /etc/resolv.conf has them.
#[must_use]
pub fn resolvers() -> Vec<IpAddr> {
    Settings::of_host().servers
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
