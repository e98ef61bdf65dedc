//! Names and addresses.

use std::net::{IpAddr, ToSocketAddrs as _};
use std::os::fd::BorrowedFd;

use super::TraceError;
use super::record::Hop;

/// The addresses of a host, as the system finds them.
pub(super) fn addresses(host: &str, _stop: BorrowedFd<'_>) -> Result<Vec<IpAddr>, TraceError> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    (host, 0)
        .to_socket_addrs()
        .map(|all| all.map(|address| address.ip()).collect())
        .map_err(|error| TraceError::UnknownHost { host: host.to_owned(), why: error.to_string() })
}

pub(super) fn of_hops(_hops: &mut [Hop], _all: bool, _stop: BorrowedFd<'_>) {}
