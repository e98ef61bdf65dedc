//! Community ID v1: the same identifier for a conversation in every tool.

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use sha1::{Digest, Sha1};

/// The Community ID of a conversation of an IP protocol, with seed 0
/// (<https://github.com/corelight/community-id-spec>).
///
/// Protocols without ports take none in; for ICMP give type and code (or the type of the other direction) as ports.
#[must_use]
pub fn community_id(protocol: u8, a: SocketAddr, b: SocketAddr, one_way: bool) -> String {
    let (a, b) = if one_way || (a.ip(), a.port()) <= (b.ip(), b.port()) { (a, b) } else { (b, a) };
    let mut hash = Sha1::new();
    hash.update([0, 0]);
    for address in [a.ip(), b.ip()] {
        match address {
            IpAddr::V4(v4) => hash.update(v4.octets()),
            IpAddr::V6(v6) => hash.update(v6.octets()),
        }
    }
    hash.update([protocol, 0]);
    if matches!(protocol, 1 | 6 | 17 | 58 | 132) {
        hash.update(a.port().to_be_bytes());
        hash.update(b.port().to_be_bytes());
    }
    format!("1:{}", base64::engine::general_purpose::STANDARD.encode(hash.finalize()))
}
