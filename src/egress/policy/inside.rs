//! What is inside where no rule says anything: this host, its links, private networks.

use std::net::IpAddr;

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

use super::host::plain;
use super::network::{is_within, reverse};

/// Networks that are inside, and why. Those for documentation are none of them: in tests they stand for the internet.
const NETWORKS: [(IpNetwork, &str); 14] = [
    (v4([0, 0, 0, 0], 32), "the unspecified address, which means this host"),
    (v4([127, 0, 0, 0], 8), "a loopback address"),
    (v4([10, 0, 0, 0], 8), "a private address (RFC 1918)"),
    (v4([172, 16, 0, 0], 12), "a private address (RFC 1918)"),
    (v4([192, 168, 0, 0], 16), "a private address (RFC 1918)"),
    (v4([100, 64, 0, 0], 10), "a shared address (RFC 6598)"),
    (v4([169, 254, 0, 0], 16), "a link-local address"),
    (v4([224, 0, 0, 0], 4), "a multicast address"),
    (v4([255, 255, 255, 255], 32), "the broadcast address"),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "the unspecified address, which means this host"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "a loopback address"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "a unique local address (RFC 4193)"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "a link-local address"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "a multicast address"),
];

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> IpNetwork {
    match Ipv4Network::new_checked(std::net::Ipv4Addr::new(a, b, c, d), prefix) {
        Some(network) => IpNetwork::V4(network),
        None => panic!("an IPv4 network has a prefix of 32 bits at most"),
    }
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], prefix: u8) -> IpNetwork {
    match Ipv6Network::new_checked(std::net::Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix) {
        Some(network) => IpNetwork::V6(network),
        None => panic!("an IPv6 network has a prefix of 128 bits at most"),
    }
}

/// The networks that are inside.
pub(super) fn networks() -> impl Iterator<Item = IpNetwork> {
    NETWORKS.iter().map(|(network, _)| *network)
}

/// Why an address is inside; none for one that is not.
pub(super) fn of_address(address: IpAddr) -> Option<&'static str> {
    of_network(address.to_canonical().into())
}

/// Why all of a network is inside.
fn of_network(network: IpNetwork) -> Option<&'static str> {
    NETWORKS.iter().find(|(whole, _)| is_within(network, *whole)).map(|(_, why)| *why)
}

/// Suffixes of names that no name server outside has to be asked for.
const SUFFIXES: [(&str, &str); 4] = [
    ("localhost", "a name of this host (RFC 6761)"),
    ("local", "a name of this link (RFC 6762)"),
    ("internal", "a private name"),
    ("home.arpa", "a name of this home (RFC 8375)"),
];

/// Why a name that was asked for is inside; `also` are more networks that are.
pub(super) fn of_name(name: &str, also: &[IpNetwork]) -> Option<&'static str> {
    let name = plain(name);
    let is_below = |suffix: &str| name.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.'));
    let known = SUFFIXES.iter().find(|(suffix, _)| is_below(suffix) || name == *suffix);
    if let Some((_, why)) = known {
        return Some(why);
    }
    if !name.contains('.') {
        return Some("a name without a dot");
    }
    let network = reverse(&name)?;
    let is_inside = of_network(network).is_some() || also.iter().any(|whole| is_within(network, *whole));
    is_inside.then_some("a reverse lookup of what is inside")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_inside_by_what_they_are_for() {
        for (address, why) in [
            ("127.1.2.3", Some("a loopback address")),
            ("::1", Some("a loopback address")),
            ("::ffff:127.0.0.1", Some("a loopback address")),
            ("0.0.0.0", Some("the unspecified address, which means this host")),
            ("::", Some("the unspecified address, which means this host")),
            ("0.0.0.1", None),
            ("9.255.255.255", None),
            ("10.0.0.0", Some("a private address (RFC 1918)")),
            ("::ffff:10.1.2.3", Some("a private address (RFC 1918)")),
            ("11.0.0.0", None),
            ("172.15.255.255", None),
            ("172.16.0.0", Some("a private address (RFC 1918)")),
            ("172.31.255.255", Some("a private address (RFC 1918)")),
            ("172.32.0.0", None),
            ("192.168.0.1", Some("a private address (RFC 1918)")),
            ("192.169.0.1", None),
            ("100.63.255.255", None),
            ("100.64.0.0", Some("a shared address (RFC 6598)")),
            ("100.127.255.255", Some("a shared address (RFC 6598)")),
            ("100.128.0.0", None),
            ("169.254.169.254", Some("a link-local address")),
            ("fe80::1", Some("a link-local address")),
            ("fec0::1", None),
            ("fd12::1", Some("a unique local address (RFC 4193)")),
            ("fe00::1", None),
            ("224.0.0.251", Some("a multicast address")),
            ("ff02::fb", Some("a multicast address")),
            ("240.0.0.1", None),
            ("255.255.255.255", Some("the broadcast address")),
            ("192.0.2.1", None),
            ("198.51.100.1", None),
            ("203.0.113.1", None),
            ("2001:db8::1", None),
            ("::ffff:203.0.113.1", None),
            ("64:ff9b::a00:1", None),
        ] {
            assert_eq!(of_address(address.parse().unwrap()), why, "{address}");
        }
    }

    #[test]
    fn names_are_inside_by_their_ends() {
        for (name, why) in [
            ("localhost", Some("a name of this host (RFC 6761)")),
            ("A.LocalHost.", Some("a name of this host (RFC 6761)")),
            ("printer.local", Some("a name of this link (RFC 6762)")),
            ("db.corp.internal", Some("a private name")),
            ("nas.home.arpa", Some("a name of this home (RFC 8375)")),
            ("home.arpa", Some("a name of this home (RFC 8375)")),
            ("web", Some("a name without a dot")),
            (".", Some("a name without a dot")),
            ("notlocal.example", None),
            ("evillocal", Some("a name without a dot")),
            ("a.evillocal", None),
            ("local.example", None),
            ("1.0.0.10.in-addr.arpa", Some("a reverse lookup of what is inside")),
            ("10.in-addr.arpa", Some("a reverse lookup of what is inside")),
            ("192.in-addr.arpa", None),
            ("9.113.0.203.in-addr.arpa", Some("a reverse lookup of what is inside")),
            ("9.100.51.198.in-addr.arpa", None),
            ("secret.1.0.0.10.in-addr.arpa", None),
        ] {
            assert_eq!(of_name(name, &["203.0.113.0/24".parse().unwrap()]), why, "{name}");
        }
    }
}
