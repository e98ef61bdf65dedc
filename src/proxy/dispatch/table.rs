//! What each address and port leads to: the map that the kernel looks into, before it is written there.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::prefixes::prefixes;
use crate::proxy::config::Ports;

/// TCP or UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    /// Its number in IP.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

/// Ports of an address: those of which the first bits are those of `port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) protocol: Protocol,
    /// None: every address.
    pub(super) address: Option<IpAddr>,
    pub(super) port: u16,
    pub(super) bits: u8,
}

/// What becomes of a packet; sockets are places in the kernel's map of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Dispatch(u32),
    /// The kernel goes on looking.
    Pass,
    /// As if nobody listened, while the socket is there.
    Refuse(u32),
}

/// What leads where. A specific address goes before every address, and then the longest prefix counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Table(BTreeMap<Key, Action>);

impl Table {
    pub(super) fn dispatch(&mut self, protocol: Protocol, ports: &Ports, socket: u32) {
        let address = ports.address.map(|address| address.to_canonical());
        for (port, bits) in prefixes(ports.first, ports.last) {
            self.0.insert(Key { protocol, address, port, bits }, Action::Dispatch(socket));
        }
    }

    /// Leaves one port to the kernel.
    pub(super) fn pass(&mut self, protocol: Protocol, address: Option<IpAddr>, port: u16) {
        self.0.insert(Key { protocol, address, port, bits: 16 }, Action::Pass);
    }

    /// Refuses a port that a socket is bound to, unless something leads there on purpose.
    pub(super) fn guard(&mut self, protocol: Protocol, address: Option<IpAddr>, port: u16, socket: u32) {
        if self.lookup(protocol, address, port).is_none() {
            self.0.insert(Key { protocol, address, port, bits: 16 }, Action::Refuse(socket));
        }
    }

    /// What becomes of a port, as the kernel finds it. Of every address: what becomes of it where nothing is said of the
    /// address.
    pub(super) fn lookup(&self, protocol: Protocol, address: Option<IpAddr>, port: u16) -> Option<Action> {
        let of = |address| {
            let key = |bits: u8| {
                let mask = u16::MAX.checked_shl(16 - u32::from(bits)).unwrap_or(0);
                Key { protocol, address, port: port & mask, bits }
            };
            (0..=16).rev().find_map(|bits| self.0.get(&key(bits)).copied())
        };
        let specific = address.and_then(|address| of(Some(address.to_canonical())));
        specific.or_else(|| of(None))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, Action)> {
        self.0.iter().map(|(key, action)| (*key, *action))
    }

    pub(super) fn get(&self, key: Key) -> Option<Action> {
        self.0.get(&key).copied()
    }
}

/// What of `struct key` counts.
pub(super) const KEY: usize = 24;

impl Key {
    /// A `struct key`: how many of its bits count, and what follows.
    pub(super) fn encode(self) -> (u32, [u8; KEY]) {
        /// What is before the port, in bits.
        const BEFORE: u32 = 160;
        let mut data = [0; KEY];
        data[0] = self.protocol.number();
        if let Some(address) = self.address {
            data[1] = 1;
            let mapped = match address {
                IpAddr::V4(address) => address.to_ipv6_mapped(),
                IpAddr::V6(address) => address,
            };
            data[4..20].copy_from_slice(&mapped.octets());
        }
        data[20..22].copy_from_slice(&self.port.to_be_bytes());
        (BEFORE + u32::from(self.bits), data)
    }
}

impl Action {
    /// A `struct verdict`.
    pub(super) const fn encode(self) -> [u32; 2] {
        match self {
            Self::Dispatch(socket) => [1, socket],
            Self::Pass => [2, 0],
            Self::Refuse(socket) => [3, socket],
        }
    }
}

#[cfg(test)]
mod tests {
    use Action::{Dispatch, Pass, Refuse};
    use Protocol::{Tcp, Udp};

    use super::*;

    fn ports(address: Option<&str>, first: u16, last: u16) -> Ports {
        Ports { address: address.map(|address| address.parse().unwrap()), first, last }
    }

    fn ip(address: &str) -> Option<IpAddr> {
        Some(address.parse().unwrap())
    }

    #[test]
    fn a_key_is_what_the_kernel_computes_of_a_packet() {
        let key = Key { protocol: Tcp, address: ip("192.0.2.1"), port: 5001, bits: 16 };
        let expected = b"\x06\x01\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x01\x13\x89\0\0";
        assert_eq!(key.encode(), (176, *expected));
        let key = Key { protocol: Udp, address: ip("2001:db8::7"), port: 0, bits: 0 };
        let expected = b"\x11\x01\0\0\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\0\0\0\0";
        assert_eq!(key.encode(), (160, *expected));
        let key = Key { protocol: Tcp, address: None, port: 5000, bits: 13 };
        assert_eq!(key.encode(), (173, *b"\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x13\x88\0\0"));
    }

    #[test]
    fn a_port_goes_before_its_range_and_an_address_before_all() {
        let mut table = Table::default();
        table.dispatch(Tcp, &ports(None, 1, 65535), 1);
        table.dispatch(Tcp, &ports(None, 5000, 5999), 2);
        table.dispatch(Tcp, &ports(None, 5001, 5001), 3);
        table.dispatch(Tcp, &ports(Some("192.0.2.1"), 5000, 5999), 4);
        table.pass(Tcp, ip("192.0.2.1"), 5002);
        let found = |address, port| table.lookup(Tcp, address, port);
        assert_eq!(found(None, 0), None);
        assert_eq!([1, 5000, 5001, 5999, 6000].map(|port| found(None, port).unwrap().encode()[1]), [1, 2, 3, 2, 1]);
        assert_eq!(found(ip("192.0.2.1"), 5001), Some(Dispatch(4)));
        assert_eq!(found(ip("::ffff:192.0.2.1"), 5002), Some(Pass));
        assert_eq!(found(ip("192.0.2.1"), 6000), Some(Dispatch(1)));
        assert_eq!(table.lookup(Udp, None, 5001), None);
    }

    #[test]
    fn where_a_socket_is_bound_nobody_comes_in_unless_an_app_has_the_port() {
        let mut table = Table::default();
        table.dispatch(Tcp, &ports(Some("192.0.2.1"), 5001, 5001), 7);
        table.guard(Tcp, None, 5001, 7);
        table.guard(Tcp, ip("192.0.2.1"), 5001, 7);
        table.guard(Tcp, ip("192.0.2.1"), 5001, 8);
        assert_eq!(table.lookup(Tcp, None, 5001), Some(Refuse(7)));
        assert_eq!(table.lookup(Tcp, ip("192.0.2.1"), 5001), Some(Dispatch(7)));
    }
}
