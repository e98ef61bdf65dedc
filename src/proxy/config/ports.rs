//! Where clients reach an app.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::value::{escaped, port};

/// A port, a range of ports, or all ports; of one address, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ports {
    /// The address; none: every address of the host.
    pub address: Option<IpAddr>,
    /// The first port, 1 at least.
    pub first: u16,
    /// The last one.
    pub last: u16,
}

impl Ports {
    /// One port of every address.
    #[must_use]
    pub const fn of(port: u16) -> Self {
        Self { address: None, first: port, last: port }
    }

    /// Whether these are all ports that there are.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        self.first == 1 && self.last == u16::MAX
    }

    /// Reads what [`fmt::Display`] writes.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (address, ports) = match text.rsplit_once(':') {
            None => (None, text),
            Some((address, ports)) => (Some(self::address(address)?), ports),
        };
        let (first, last) = match ports.split_once('-') {
            _ if ports == "*" => (1, u16::MAX),
            None => port(ports).map(|port| (port, port))?,
            Some((first, last)) => (port(first)?, port(last)?),
        };
        let ports = Self { address, first, last };
        if first > last {
            return Err(format!("{ports} ends before it begins"));
        }
        // The host itself has to stay reachable.
        if address.is_none() && ports.is_all() {
            return Err("all ports are those of one address: write 192.0.2.1:*".to_owned());
        }
        Ok(ports)
    }
}

/// The address of a host, of IPv6 in brackets.
fn address(text: &str) -> Result<IpAddr, String> {
    let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match inside {
        Some(inside) => inside.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None if text.parse::<Ipv6Addr>().is_ok() => {
            return Err(format!("{text} has to be in brackets: [{text}]:443"));
        }
        None => text.parse().ok(),
    };
    let address = address.ok_or_else(|| format!("{} is no address; write 192.0.2.1:80", escaped(text)))?.to_canonical();
    if address.is_unspecified() {
        return Err(format!("{text} is every address: leave it out"));
    }
    if address.is_multicast() {
        return Err(format!("{text} is the address of a group"));
    }
    Ok(address)
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(IpAddr::V4(address)) => write!(f, "{address}:")?,
            Some(IpAddr::V6(address)) => write!(f, "[{address}]:")?,
            None => {}
        }
        match self {
            _ if self.is_all() => f.write_str("*"),
            Self { first, last, .. } if first == last => first.fmt(f),
            Self { first, last, .. } => write!(f, "{first}-{last}"),
        }
    }
}
