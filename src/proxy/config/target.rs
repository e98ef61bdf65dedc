//! Who serves an app.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::value::{escaped, port};

/// A host that serves an app.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TargetSpec {
    /// Name or address.
    pub host: String,
    /// Port; none: the one that the client meant.
    pub port: Option<u16>,
    /// Its share of the connections, in proportion to others; at least 1.
    pub weight: u32,
}

impl TargetSpec {
    /// Reads what [`fmt::Display`] writes, with a weight of 1.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let shown = escaped(text);
        let wrong = || format!("{shown} is no target; write host:port, or [address]:port for IPv6");
        if text.contains("://") {
            return Err(format!("{shown} is a URL; write host:port"));
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(format!("{text} has to be in brackets: [{text}]:5001"));
        }
        let (host, number) = match text.strip_prefix('[') {
            Some(inside) => match inside.split_once(']').ok_or_else(wrong)? {
                (host, "") => (host, None),
                (host, rest) => (host, Some(rest.strip_prefix(':').ok_or_else(wrong)?)),
            },
            None => text.split_once(':').map_or((text, None), |(host, number)| (host, Some(number))),
        };
        if number.is_some_and(|number| number.contains(':')) {
            return Err(wrong());
        }
        let port = number.map(|number| port(number).map_err(|why| format!("{shown}: {why}"))).transpose()?;
        // An IPv4 address in the clothes of IPv6 is reached over IPv4.
        let address = host.parse::<IpAddr>().ok();
        let canonical = address.map(|address| address.to_canonical());
        if canonical.is_some_and(|address| address.is_unspecified() || address.is_multicast()) {
            return Err(format!("{shown} is the address of no host"));
        }
        let is_host = if text.starts_with('[') { matches!(address, Some(IpAddr::V6(_))) } else { is_host(host) };
        if !is_host {
            return Err(wrong());
        }
        let host = canonical.map_or_else(|| host.to_owned(), |address| address.to_string());
        Ok(Self { host, port, weight: 1 })
    }
}

/// Whether it is an IPv4 address, or can be a name (RFC 1123, section 2.1; underscores are seen in the field).
fn is_host(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        let is_middle = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(is_middle) && !label.starts_with('-')
    };
    // What ends with a number would be an address.
    let is_number = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    let is_address = text.parse::<IpAddr>().is_ok();
    name.len() <= 253 && name.split('.').all(is_label) && (is_address || !is_number)
}

impl fmt::Display for TargetSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.port, self.host.contains(':')) {
            (None, true) => write!(f, "[{}]", self.host),
            (None, false) => f.write_str(&self.host),
            (Some(port), true) => write!(f, "[{}]:{port}", self.host),
            (Some(port), false) => write!(f, "{}:{port}", self.host),
        }
    }
}
