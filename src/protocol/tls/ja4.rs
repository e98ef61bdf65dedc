//! JA4: what a client offers, in 36 characters that depend on its software and little else
//! (<https://github.com/FoxIO-LLC/ja4>, technical_details/JA4.md; the specification is under the BSD licence).

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::Transport;
use super::hello::{ClientHello, extension};

/// The fingerprint, with its two lists hashed.
pub(super) fn ja4(hello: &ClientHello, transport: Transport) -> String {
    let [ciphers, extensions] = lists(hello);
    format!("{}_{}_{}", summary(hello, transport), hash(&ciphers), hash(&extensions))
}

/// The fingerprint, with its two lists as they are: JA4_r.
pub(super) fn ja4_raw(hello: &ClientHello, transport: Transport) -> String {
    let [ciphers, extensions] = lists(hello);
    format!("{}_{ciphers}_{extensions}", summary(hello, transport))
}

/// The part that a person can read.
fn summary(hello: &ClientHello, transport: Transport) -> String {
    let transport = match transport {
        Transport::Tcp => 't',
        Transport::Quic => 'q',
    };
    let version = match hello.versions().into_iter().max() {
        Some(0x0304) => "13",
        Some(0x0303) => "12",
        Some(0x0302) => "11",
        Some(0x0301) => "10",
        Some(0x0300) => "s3",
        _ => "00",
    };
    let name = if hello.has(extension::SERVER_NAME) { 'd' } else { 'i' };
    let [ciphers, extensions] = [&hello.ciphers, &hello.extensions].map(|list| list.len().min(99));
    let alpn = hello.alpn.first().map_or_else(|| "00".to_owned(), |name| ends(name));
    format!("{transport}{version}{name}{ciphers:02}{extensions:02}{alpn}")
}

/// First and last character of a protocol's name; where one of them is no letter and no digit, of its hexadecimal form.
fn ends(name: &[u8]) -> String {
    match name {
        [] => "00".to_owned(),
        [first, .., last] | [first @ last] if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() => {
            [char::from(*first), char::from(*last)].iter().collect()
        }
        [first, .., last] | [first @ last] => format!("{:x}{:x}", first >> 4, last & 15),
    }
}

/// Cipher suites in order of their numbers; then extensions likewise, but for those that depend on the host, with the
/// signature algorithms in the client's own order behind them.
fn lists(hello: &ClientHello) -> [String; 2] {
    let hidden = [extension::SERVER_NAME, extension::ALPN];
    let extensions = hello.extensions.iter().copied().filter(|kind| !hidden.contains(kind));
    let mut text = sorted(extensions);
    if !text.is_empty() && !hello.signature_algorithms.is_empty() {
        text = format!("{text}_{}", joined(&hello.signature_algorithms));
    }
    [sorted(hello.ciphers.iter().copied()), text]
}

fn sorted(values: impl Iterator<Item = u16>) -> String {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    joined(&values)
}

fn joined(values: &[u16]) -> String {
    values.iter().enumerate().fold(String::new(), |mut text, (place, value)| {
        let _ = write!(text, "{}{value:04x}", if place == 0 { "" } else { "," });
        text
    })
}

/// The first twelve digits of the SHA-256 of a list; zeros for one that is empty.
fn hash(list: &str) -> String {
    if list.is_empty() {
        return "000000000000".to_owned();
    }
    Sha256::digest(list)[..6].iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client of the specification's example, its values in the order in which they were sent.
    fn example() -> ClientHello {
        ClientHello {
            version: 0x0303,
            ciphers: vec![
                0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d,
                0x002f, 0x0035,
            ],
            extensions: vec![
                0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b, 0xff01,
                0x000b, 0x000a, 0x0015,
            ],
            server_name: Some(b"example.com"[..].into()),
            alpn: vec![b"h2"[..].into(), b"http/1.1"[..].into()],
            supported_versions: vec![0x0304, 0x0303],
            signature_algorithms: vec![0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601],
        }
    }

    #[test]
    fn the_example_of_the_specification_has_its_fingerprint() {
        assert_eq!(ja4(&example(), Transport::Tcp), "t13d1516h2_8daaf6152771_e5627efa2ab1");
        assert_eq!(
            ja4_raw(&example(), Transport::Tcp),
            "t13d1516h2_002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9_\
             0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01_\
             0403,0804,0401,0503,0805,0501,0806,0601"
        );
    }

    #[test]
    fn a_browser_over_quic_has_the_fingerprint_that_is_published_for_it() {
        let hello = ClientHello {
            ciphers: vec![0x1301, 0x1302, 0x1303],
            extensions: vec![0x10, 0, 0x0a, 0x0d, 0x1b, 0x2b, 0x2d, 0x33, 0x39, 0x44cd, 0xfe0d],
            alpn: vec![b"h3"[..].into()],
            supported_versions: vec![0x0304],
            signature_algorithms: vec![0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601, 0x0201],
            ..example()
        };
        assert_eq!(ja4(&hello, Transport::Quic), "q13d0311h3_55b375c5d22e_653d80c3fe9d");
    }

    #[test]
    fn the_order_of_signature_algorithms_counts_and_that_of_others_does_not() {
        let mut hello = example();
        hello.ciphers.reverse();
        hello.extensions.reverse();
        assert_eq!(ja4(&hello, Transport::Tcp), ja4(&example(), Transport::Tcp));
        hello.signature_algorithms.reverse();
        assert_ne!(ja4(&hello, Transport::Tcp), ja4(&example(), Transport::Tcp));
        hello.signature_algorithms.clear();
        assert_eq!(ja4(&hello, Transport::Tcp), "t13d1516h2_8daaf6152771_6d807ffa2a79", "without an underscore");
    }

    #[test]
    fn what_is_missing_is_written_as_zeros() {
        let old = ClientHello { version: 0x0301, ..ClientHello::default() };
        assert_eq!(ja4(&old, Transport::Tcp), "t10i000000_000000000000_000000000000");
        let name_only = ClientHello { ciphers: vec![0x0035], extensions: vec![0], ..old };
        assert_eq!(ja4(&name_only, Transport::Tcp), "t10d010100_692296a295db_000000000000");
    }

    #[test]
    fn counts_stop_at_99() {
        let many = ClientHello { ciphers: vec![0x0035; 120], ..example() };
        assert!(ja4(&many, Transport::Tcp).starts_with("t13d9916h2_"));
    }

    #[test]
    fn names_of_protocols_are_shown_by_their_ends() {
        for (name, ends) in [
            (&b"h2"[..], "h2"),
            (b"http/1.1", "h1"),
            (b"x", "xx"),
            (b"", "00"),
            (b"\xab", "ab"),
            (b"\xab\xcd", "ad"),
            (b"\x30\xab", "3b"),
            (b"\x30\x31\xab\xcd", "3d"),
            (b"\x30\xab\xcd\x31", "01"),
        ] {
            assert_eq!(super::ends(name), ends, "{name:?}");
        }
    }
}
