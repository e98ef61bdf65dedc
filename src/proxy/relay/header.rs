//! The PROXY protocol, version 2: tells a target who its client is, before the client's own bytes.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// What every header begins with; no other protocol does.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Version 2, and that the connection was made for somebody else.
const VERSION_AND_COMMAND: u8 = 0x21;

/// IPv4 and IPv6, with TCP.
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// The header for a connection that a client made to whom it meant.
pub(super) fn proxy_header(client: SocketAddr, meant: SocketAddr) -> Vec<u8> {
    let (family, addresses) = match (client.ip().to_canonical(), meant.ip().to_canonical()) {
        (IpAddr::V4(client), IpAddr::V4(meant)) => (TCP4, [client.octets(), meant.octets()].concat()),
        // One header has one family.
        (client, meant) => (TCP6, [v6(client).octets(), v6(meant).octets()].concat()),
    };
    let ports = [client.port().to_be_bytes(), meant.port().to_be_bytes()].concat();
    let length = (addresses.len() + ports.len()) as u16;
    let mut header = SIGNATURE.to_vec();
    header.extend([VERSION_AND_COMMAND, family]);
    header.extend(length.to_be_bytes());
    header.extend(addresses);
    header.extend(ports);
    header
}

fn v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::proxy_header;

    fn header(client: &str, meant: &str) -> Vec<u8> {
        proxy_header(client.parse().unwrap(), meant.parse().unwrap())
    }

    #[test]
    fn a_target_is_told_the_addresses_of_ipv4() {
        let expected = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x11\x00\x0c\
            \xc0\x00\x02\x01\xc6\x33\x64\x07\x9c\x40\x14\x50";
        assert_eq!(header("192.0.2.1:40000", "198.51.100.7:5200"), expected);
        // As a socket for both families has them.
        assert_eq!(header("[::ffff:192.0.2.1]:40000", "198.51.100.7:5200"), expected);
    }

    #[test]
    fn a_target_is_told_the_addresses_of_ipv6() {
        let expected = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x21\x00\x24\
            \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x9c\x40\x14\x50";
        assert_eq!(header("[2001:db8::1]:40000", "[2001:db8::2]:5200"), expected);
    }

    #[test]
    fn addresses_of_two_families_are_told_as_ipv6() {
        let expected = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x21\x00\x24\
            \0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x9c\x40\x14\x50";
        assert_eq!(header("192.0.2.1:40000", "[2001:db8::2]:5200"), expected);
    }
}
