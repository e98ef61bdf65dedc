//! Ports and protocols as rules write them.

use std::fmt;
use std::str::FromStr;

use super::word::shown;
use crate::packet::protocol_name;

/// A transport protocol, by its number in the header of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Protocol(u8);

/// A text that is not a protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a protocol; write `tcp`, `udp`, `icmp`, `icmp6`, or a number from 0 to 255")]
pub struct UnknownProtocol(String);

impl Protocol {
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);

    /// Its number in the header of IP.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The protocol of that name; a number alone is none.
    pub(super) fn named(name: &str) -> Option<Self> {
        (0..=u8::MAX).find(|number| protocol_name(*number) == name).map(Self)
    }
}

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::named(text).or_else(|| text.parse().ok().map(Self));
        found.ok_or_else(|| UnknownProtocol(shown(text)))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = protocol_name(self.0);
        f.write_str(name.strip_prefix("ip-").unwrap_or(&name))
    }
}

/// Ports from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ports {
    first: u16,
    last: u16,
}

impl Ports {
    /// One port alone.
    #[must_use]
    pub const fn one(port: u16) -> Self {
        Self { first: port, last: port }
    }

    /// The first and the last.
    #[must_use]
    pub const fn ends(self) -> (u16, u16) {
        (self.first, self.last)
    }

    /// Whether a port is one of them.
    #[must_use]
    pub const fn contain(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { self.first.fmt(f) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

/// Ports, and the protocol behind a slash: `443`, `8000-8100`, `53/udp`.
pub(super) fn ports(text: &str) -> Result<(Ports, Option<Protocol>), String> {
    let (range, protocol) = match text.split_once('/') {
        Some((range, protocol)) => (range, Some(protocol.parse().map_err(|error: UnknownProtocol| error.to_string())?)),
        None => (text, None),
    };
    let wrong = || format!("{} is not a port; write `443`, `8000-8100` or `443/tcp`", shown(text));
    let port = |text: &str| {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_: &u16| is_number).ok_or_else(wrong)
    };
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let ports = Ports { first: port(first)?, last: port(last)? };
    if ports.first > ports.last {
        return Err(format!("the ports {} end before they begin; write `{last}-{first}`", shown(range)));
    }
    Ok((ports, protocol))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_one_or_a_range_with_a_protocol() {
        let read =
            |text: &str| ports(text).map(|(ports, protocol)| (ports.to_string(), protocol.map(|p| p.to_string())));
        assert_eq!(read("443"), Ok(("443".into(), None)));
        assert_eq!(read("8000-8100/tcp"), Ok(("8000-8100".into(), Some("tcp".into()))));
        assert_eq!(read("80-80/17"), Ok(("80".into(), Some("udp".into()))));
        let (ports, _) = ports("8000-8100").unwrap();
        assert_eq!([7999, 8000, 8100, 8101].map(|port| ports.contain(port)), [false, true, true, false]);
        for (text, why) in [
            ("https", "`https` is not a port; write `443`, `8000-8100` or `443/tcp`"),
            ("65536", "`65536` is not a port; write `443`, `8000-8100` or `443/tcp`"),
            ("+443", "`+443` is not a port; write `443`, `8000-8100` or `443/tcp`"),
            ("1-", "`1-` is not a port; write `443`, `8000-8100` or `443/tcp`"),
            ("90-80", "the ports `90-80` end before they begin; write `80-90`"),
            ("443/tpc", "`tpc` is not a protocol; write `tcp`, `udp`, `icmp`, `icmp6`, or a number from 0 to 255"),
        ] {
            assert_eq!(read(text).unwrap_err(), why);
        }
    }

    #[test]
    fn a_protocol_is_the_same_by_name_and_by_number() {
        assert_eq!("132".parse::<Protocol>(), "sctp".parse());
        assert_eq!("99".parse::<Protocol>(), "ip-99".parse());
        assert_eq!("99".parse::<Protocol>().unwrap().to_string(), "99");
        assert!("256".parse::<Protocol>().is_err());
    }
}
