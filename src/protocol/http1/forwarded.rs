//! Who a request came from before it reached a proxy: X-Forwarded-For and Forwarded (RFC 7239).

use std::net::{IpAddr, SocketAddr};

use super::head::Head;

/// Hops kept of one request.
const HOPS: usize = 64;

/// A client or proxy that a proxy received the request from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hop {
    /// Its address, without the port.
    Address(IpAddr),
    /// Another name: `unknown`, or one that stands for an address (RFC 7239, section 6.3).
    Name(Vec<u8>),
}

/// Where a request came from, the originating client first: X-Forwarded-For, then what Forwarded adds to it.
pub(super) fn hops(head: &Head) -> Vec<Hop> {
    let mut hops = Vec::new();
    for value in head.fields_named("x-forwarded-for") {
        let nodes = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|node| !node.is_empty());
        hops.extend(nodes.take(HOPS).map(hop));
    }
    for value in head.fields_named("forwarded") {
        for hop in forwarded(&value).into_iter().take(HOPS) {
            if hops.len() < HOPS && !hops.contains(&hop) {
                hops.push(hop);
            }
        }
    }
    hops.truncate(HOPS);
    hops
}

/// The nodes of the `for` parameters of Forwarded.
fn forwarded(value: &[u8]) -> Vec<Hop> {
    let mut hops = Vec::new();
    let mut rest = value;
    while !rest.is_empty() {
        let (pair, after) = split_pair(rest);
        rest = after;
        let mut parts = pair.splitn(2, |&byte| byte == b'=');
        if let (Some(name), Some(node)) = (parts.next(), parts.next())
            && name.trim_ascii().eq_ignore_ascii_case(b"for")
        {
            hops.push(hop(&unquoted(node.trim_ascii())));
        }
    }
    hops
}

/// What comes before the next `;` or `,` that is not in a quoted string, and what comes after it.
fn split_pair(value: &[u8]) -> (&[u8], &[u8]) {
    let (mut quoted, mut escaped) = (false, false);
    for (i, &byte) in value.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' | b',' if !quoted => return (&value[..i], &value[i + 1..]),
            _ => {}
        }
    }
    (value, &[])
}

/// The content of a quoted string (RFC 9110, section 5.6.4), or the value itself.
fn unquoted(value: &[u8]) -> Vec<u8> {
    let Some(inner) = value.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")) else {
        return value.to_vec();
    };
    let mut content = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        content.push(if byte == b'\\' { bytes.next().copied().unwrap_or(byte) } else { byte });
    }
    content
}

fn hop(node: &[u8]) -> Hop {
    let address = std::str::from_utf8(node).ok().and_then(|text| {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        bare.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()))
    });
    address.map_or_else(|| Hop::Name(node.to_vec()), Hop::Address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(fields: &str) -> Vec<String> {
        let head = format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n");
        let hops = hops(&Head::new(head.as_bytes(), 16));
        let text = |hop| match hop {
            Hop::Address(address) => format!("{address}"),
            Hop::Name(name) => format!("'{}'", String::from_utf8(name).unwrap()),
        };
        hops.into_iter().map(text).collect()
    }

    #[test]
    fn addresses_come_without_ports_and_in_order() {
        for (fields, expected) in [
            ("X-Forwarded-For: 192.0.2.1, 198.51.100.2", &["192.0.2.1", "198.51.100.2"][..]),
            ("X-Forwarded-For: 192.0.2.1\r\nx-forwarded-for: ,198.51.100.2:99,", &["192.0.2.1", "198.51.100.2"]),
            (
                "X-Forwarded-For: 2001:db8::1, [2001:db8::2], [2001:db8::3]:80",
                &["2001:db8::1", "2001:db8::2", "2001:db8::3"],
            ),
            ("X-Forwarded-For: unknown, 10.0.0.1", &["'unknown'", "10.0.0.1"]),
            ("Forwarded: for=192.0.2.60;proto=http;by=203.0.113.43", &["192.0.2.60"]),
            ("Forwarded: For=\"[2001:db8:cafe::17]:4711\", for=_hidden;by=x", &["2001:db8:cafe::17", "'_hidden'"]),
            ("Forwarded: by=\"a;for=1.1.1.1,\\\"\" ; for=\"192.0.2.4\\3\"", &["192.0.2.43"]),
            ("X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1, for=192.0.2.9", &["192.0.2.1", "192.0.2.9"]),
            ("Forwarded: for", &[]),
            ("Host: a", &[]),
        ] {
            assert_eq!(shown(fields), expected, "{fields}");
        }
    }

    #[test]
    fn their_number_is_bounded() {
        let field = format!("X-Forwarded-For: {}\r\n", "a,".repeat(10_000));
        assert_eq!(shown(&field.repeat(2)).len(), HOPS);
    }
}
