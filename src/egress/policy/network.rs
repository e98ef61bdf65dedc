//! Addresses and networks as rules and rows write them.

use std::net::IpAddr;

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

use super::word::shown;

/// A network, or an address alone. IPv4 in the clothes of IPv6 (RFC 4291, section 2.5.5.2) becomes IPv4.
///
/// # Errors
///
/// What is wrong with the text, with the right form.
pub fn network(text: &str) -> Result<IpNetwork, String> {
    if let Some((address, zone)) = text.split_once('%') {
        let zone = zone.split('/').next().unwrap_or_default();
        return Err(format!("a zone ({}) is known to one host only; write {}", shown(zone), shown(address)));
    }
    let wrong = || format!("{} is neither an address nor a network, such as `203.0.113.0/24`", shown(text));
    let network = canonical(text.parse().map_err(|_| wrong())?);
    if network.ip() != network.network() {
        let (whole, address) = (network.network(), network.ip());
        let prefix = network.prefix();
        return Err(format!("{} names a host of a network; write `{whole}/{prefix}` or `{address}`", shown(text)));
    }
    Ok(network)
}

fn canonical(network: IpNetwork) -> IpNetwork {
    let IpNetwork::V6(v6) = network else { return network };
    let mapped = v6.ip().to_ipv4_mapped().zip(v6.prefix().checked_sub(96));
    let v4 = mapped.and_then(|(address, prefix)| Ipv4Network::new(address, prefix).ok());
    v4.map_or(network, IpNetwork::V4)
}

/// A network as it is written: an address alone without the length of its prefix.
pub(super) fn written(network: IpNetwork) -> String {
    match network {
        IpNetwork::V4(v4) if v4.prefix() == 32 => v4.ip().to_string(),
        IpNetwork::V6(v6) if v6.prefix() == 128 => v6.ip().to_string(),
        network => network.to_string(),
    }
}

/// An address that was observed: without a zone, which says where it was seen; IPv4 in the clothes of IPv6 as IPv4.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.split('%').next()?.parse().ok()?;
    Some(address.to_canonical())
}

/// Whether a network is a part of another.
pub(super) fn is_within(part: IpNetwork, whole: IpNetwork) -> bool {
    match (part, whole) {
        (IpNetwork::V4(part), IpNetwork::V4(whole)) => part.is_subnet_of(whole),
        (IpNetwork::V6(part), IpNetwork::V6(whole)) => part.is_subnet_of(whole),
        _ => false,
    }
}

/// The network that a name for reverse lookups stands for (RFC 1035, section 3.5; RFC 3596, section 2.5); none for a name
/// with anything else in it.
pub(super) fn reverse(name: &str) -> Option<IpNetwork> {
    if let Some(labels) = name.strip_suffix(".in-addr.arpa") {
        let octets: Option<Vec<u8>> = labels.rsplit('.').map(decimal).collect();
        let octets = octets.filter(|octets| octets.len() <= 4)?;
        let mut bytes = [0; 4];
        bytes[..octets.len()].copy_from_slice(&octets);
        return Ipv4Network::new(bytes.into(), u8::try_from(8 * octets.len()).ok()?).ok().map(IpNetwork::V4);
    }
    let labels = name.strip_suffix(".ip6.arpa")?;
    let nibbles: Option<Vec<u8>> = labels.rsplit('.').map(nibble).collect();
    let nibbles = nibbles.filter(|nibbles| nibbles.len() <= 32)?;
    let bits = nibbles.iter().enumerate().fold(0, |bits, (at, nibble)| bits | u128::from(*nibble) << (124 - 4 * at));
    let network = Ipv6Network::new(bits.into(), u8::try_from(4 * nibbles.len()).ok()?).ok()?;
    Some(canonical(IpNetwork::V6(network)))
}

fn decimal(label: &str) -> Option<u8> {
    label.parse().ok().filter(|octet: &u8| octet.to_string() == label)
}

fn nibble(label: &str) -> Option<u8> {
    (label.len() == 1).then(|| u8::from_str_radix(label, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_in_one_form() {
        for (text, form) in [
            ("203.0.113.0/24", "203.0.113.0/24"),
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7/32", "203.0.113.7"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("2001:db8:0::1", "2001:db8::1"),
            ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(network(text).map(written).as_deref(), Ok(form), "{text}");
        }
        for (text, why) in [
            ("10.0.0.1/8", "`10.0.0.1/8` names a host of a network; write `10.0.0.0/8` or `10.0.0.1`"),
            ("10.0.0.0/33", "`10.0.0.0/33` is neither an address nor a network, such as `203.0.113.0/24`"),
            ("10/8", "`10/8` is neither an address nor a network, such as `203.0.113.0/24`"),
            ("fe80::1%eth0", "a zone (`eth0`) is known to one host only; write `fe80::1`"),
        ] {
            assert_eq!(network(text).unwrap_err(), why);
        }
    }

    #[test]
    fn names_of_reverse_lookups_stand_for_networks() {
        let nibbles = |address: &str| {
            let bits = address.parse::<std::net::Ipv6Addr>().unwrap().to_bits();
            (0..32).map(|at| format!("{:x}.", bits >> (4 * at) & 15)).collect::<String>() + "ip6.arpa"
        };
        for (name, form) in [
            ("7.113.0.203.in-addr.arpa", Some("203.0.113.7")),
            ("168.192.in-addr.arpa", Some("192.168.0.0/16")),
            ("8.b.d.0.1.0.0.2.ip6.arpa", Some("2001:db8::/32")),
            (&nibbles("fd00::1"), Some("fd00::1")),
            (&nibbles("::ffff:10.0.0.1"), Some("10.0.0.1")),
            ("secret.1.0.0.10.in-addr.arpa", None),
            ("1.1.0.0.10.in-addr.arpa", None),
            ("01.0.0.10.in-addr.arpa", None),
            ("256.in-addr.arpa", None),
            ("in-addr.arpa", None),
            ("10.d.f.ip6.arpa", None),
            ("+.d.f.ip6.arpa", None),
        ] {
            assert_eq!(reverse(name).map(written).as_deref(), form, "{name}");
        }
    }
}
