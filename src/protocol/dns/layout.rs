//! How the data of a record of each type is written in zone files.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine as _;

use super::name::{Read, Reader, Unreadable};
use super::terms::{parameter_name, type_name};

/// A part of a record's data.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// A number of one, two or four bytes.
    U8,
    U16,
    U32,
    /// A point in time, in seconds.
    Time,
    /// A type of records.
    Kind,
    /// A domain name.
    Name,
    /// A text behind its length.
    Text,
    /// Such texts up to the end, of which there is at least one.
    Texts,
    /// A tag of letters and digits behind its length.
    Tag,
    /// A text up to the end.
    RestText,
    /// Bytes up to the end, in hexadecimal digits.
    Hex,
    /// Bytes up to the end, in base 64.
    Base64,
    /// Bytes behind their length, in hexadecimal digits; `-` if there are none.
    Salt,
    /// Bytes behind their length, in base 32 with the digits first (RFC 5155, section 3.3).
    Hash,
    /// Types of records up to the end (RFC 4034, section 4.1.2).
    Kinds,
    /// Parameters of a service up to the end (RFC 9460, section 2.2).
    Parameters,
}

use Part::*;

/// The parts of each type that is known.
const fn parts(kind: u16) -> Option<&'static [Part]> {
    Some(match kind {
        6 => &[Name, Name, U32, U32, U32, U32, U32],
        7..=9 => &[Name],
        13 => &[Text, Text],
        14 | 17 => &[Name, Name],
        15 | 18 | 36 => &[U16, Name],
        16 | 99 => &[Texts],
        24 | 46 => &[Kind, U8, U8, U32, Time, Time, U16, Name, Base64],
        25 | 48 | 60 => &[U16, U8, U8, Base64],
        33 => &[U16, U16, U16, Name],
        35 => &[U16, U16, Text, Text, Text, Name],
        43 | 59 | 32769 => &[U16, U8, U8, Hex],
        44 => &[U8, U8, Hex],
        47 => &[Name, Kinds],
        50 => &[U8, U8, U16, Salt, Hash, Kinds],
        51 => &[U8, U8, U16, Salt],
        52 | 53 => &[U8, U8, U8, Hex],
        64 | 65 => &[U16, Name, Parameters],
        256 => &[U16, U16, RestText],
        257 => &[U8, Tag, RestText],
        _ => return None,
    })
}

/// OPT, the type of the record that is none (RFC 6891).
pub(super) const OPT: u16 = 41;

/// The data of a record; none if its type is not known.
pub(super) fn text(kind: u16, class: u16, reader: &mut Reader<'_>) -> Read<Option<String>> {
    if kind == OPT {
        return options(class, reader).map(Some);
    }
    let Some(parts) = parts(kind) else { return Ok(None) };
    let mut text = String::new();
    for part in parts {
        if !text.is_empty() {
            text.push(' ');
        }
        part.write(&mut text, reader)?;
    }
    // The last part may be empty, such as the types of NSEC.
    text.truncate(text.trim_end().len());
    Ok(Some(text))
}

impl Part {
    fn write(self, text: &mut String, reader: &mut Reader<'_>) -> Read<()> {
        match self {
            U8 => push(text, reader.u8()?),
            U16 => push(text, reader.u16()?),
            U32 => push(text, reader.u32()?),
            Time => push(text, time(reader.u32()?)),
            Kind => text.push_str(&type_name(reader.u16()?)),
            Name => push(text, reader.name()?),
            Text => quoted(text, reader.counted()?),
            Texts => {
                quoted(text, reader.counted()?);
                while !reader.rest().is_empty() {
                    text.push(' ');
                    quoted(text, reader.counted()?);
                }
            }
            Tag => {
                let tag = reader.counted()?;
                if tag.is_empty() || !tag.iter().all(u8::is_ascii_alphanumeric) {
                    return Err(Unreadable::Malformed);
                }
                escaped(text, tag);
            }
            RestText => quoted(text, rest(reader)),
            Hex => text.push_str(&hex(rest(reader))),
            Base64 => text.push_str(&base64::engine::general_purpose::STANDARD.encode(rest(reader))),
            Salt => match reader.counted()? {
                [] => text.push('-'),
                salt => text.push_str(&hex(salt)),
            },
            Hash => text.push_str(&base32(reader.counted()?)),
            Kinds => kinds(text, reader)?,
            Parameters => parameters(text, reader)?,
        }
        Ok(())
    }
}

fn push(text: &mut String, value: impl std::fmt::Display) {
    // Writing into a text does not fail.
    let _ = write!(text, "{value}");
}

/// Takes all that is left.
fn rest<'a>(reader: &mut Reader<'a>) -> &'a [u8] {
    let rest = reader.rest();
    reader.at += rest.len();
    rest
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Bytes in base 32 with the digits first, without padding.
fn base32(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    let mut text = String::new();
    for chunk in bytes.chunks(5) {
        let mut group = [0; 8];
        group[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(group);
        for digit in 0..(chunk.len() * 8).div_ceil(5) {
            let place = bits >> (35 - 5 * digit) & 31;
            text.push(DIGITS[usize::try_from(place).unwrap_or_default()].into());
        }
    }
    text
}

/// A text as in zone files, where whoever sends it can put any bytes into it.
fn escaped(text: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            b' '..=b'~' => text.push(char::from(byte)),
            byte => push(text, format_args!("\\{byte:03}")),
        }
    }
}

fn quoted(text: &mut String, bytes: &[u8]) {
    text.push('"');
    escaped(text, bytes);
    text.push('"');
}

/// `20261128070000`, as signatures have it.
fn time(seconds: u32) -> String {
    let timestamp = jiff::Timestamp::from_second(seconds.into()).unwrap_or_default();
    timestamp.strftime("%Y%m%d%H%M%S").to_string()
}

fn kinds(text: &mut String, reader: &mut Reader<'_>) -> Read<()> {
    let mut separator = "";
    while !reader.rest().is_empty() {
        let window = reader.u8()?;
        let bits = reader.counted()?;
        if bits.is_empty() || bits.len() > 32 {
            return Err(Unreadable::Malformed);
        }
        for (place, byte) in (0u16..).zip(bits) {
            for bit in (0..8).filter(|bit| byte & 0x80 >> bit != 0) {
                text.push_str(separator);
                text.push_str(&type_name(u16::from(window) << 8 | place << 3 | bit));
                separator = " ";
            }
        }
    }
    Ok(())
}

fn parameters(text: &mut String, reader: &mut Reader<'_>) -> Read<()> {
    let mut separator = "";
    while !reader.rest().is_empty() {
        let key = reader.u16()?;
        let length = reader.u16()?;
        let mut value = reader.part(length.into())?;
        text.push_str(separator);
        text.push_str(&parameter_name(key));
        separator = " ";
        if value.rest().is_empty() {
            continue;
        }
        text.push('=');
        match key {
            0 => listed(text, &mut value, |text, value| {
                text.push_str(&parameter_name(value.u16()?));
                Ok(())
            })?,
            1 => listed(text, &mut value, |text, value| {
                escaped(text, value.counted()?);
                Ok(())
            })?,
            3 => push(text, value.u16()?),
            4 => listed(text, &mut value, |text, value| {
                push(text, Ipv4Addr::from_bits(value.u32()?));
                Ok(())
            })?,
            5 => Base64.write(text, &mut value)?,
            6 => listed(text, &mut value, |text, value| {
                let bytes: [u8; 16] = value.take(16)?.try_into().map_err(|_| Unreadable::Short)?;
                push(text, Ipv6Addr::from(bytes));
                Ok(())
            })?,
            _ => quoted(text, rest(&mut value)),
        }
        if !value.rest().is_empty() {
            return Err(Unreadable::Malformed);
        }
    }
    Ok(())
}

/// Values up to the end, with commas between them.
fn listed(
    text: &mut String,
    reader: &mut Reader<'_>,
    each: impl Fn(&mut String, &mut Reader<'_>) -> Read<()>,
) -> Read<()> {
    let mut separator = "";
    while !reader.rest().is_empty() {
        text.push_str(separator);
        each(text, reader)?;
        separator = ",";
    }
    Ok(())
}

/// What EDNS options say (RFC 6891, section 6.1.2). The class of the record is how long an answer may be.
fn options(class: u16, reader: &mut Reader<'_>) -> Read<String> {
    let mut text = format!("udp {class}");
    while !reader.rest().is_empty() {
        let code = reader.u16()?;
        let length = reader.u16()?;
        let value = reader.take(length.into())?;
        let name = match code {
            3 => "nsid",
            8 => "client-subnet",
            10 => "cookie",
            11 => "keepalive",
            12 => "padding",
            15 => "error",
            _ => "",
        };
        match (name, code, value) {
            // What padding holds says nothing.
            ("padding", ..) => push(&mut text, format_args!(" padding={length}")),
            ("error", _, [high, low, why @ ..]) => {
                push(&mut text, format_args!(" error={}", u16::from_be_bytes([*high, *low])));
                if !why.is_empty() {
                    text.push(' ');
                    quoted(&mut text, why);
                }
            }
            ("", ..) => push(&mut text, format_args!(" option{code}={}", hex(value))),
            _ => push(&mut text, format_args!(" {name}={}", hex(value))),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::data::{Data, IN};
    use super::*;

    fn shown(kind: u16, bytes: &[u8]) -> String {
        Data::read(kind, IN, Reader::new(bytes, 0)).map_or_else(|why| format!("{why:?}"), |data| data.to_string())
    }

    #[test]
    fn data_reads_as_in_zone_files() {
        let name = b"\x02ns\x07example\x00";
        let with = |before: &[u8], after: &[u8]| [before, name, after].concat();
        for (kind, bytes, text) in [
            (1, vec![192, 0, 2, 1], "192.0.2.1"),
            (28, Ipv6Addr::LOCALHOST.octets().to_vec(), "::1"),
            (2, name.to_vec(), "ns.example"),
            (5, vec![0], "."),
            (6, with(&[0], &[[0u8, 0, 0, 7].as_slice(); 5].concat()), ". ns.example 7 7 7 7 7"),
            (13, b"\x03x86\x05Linux".to_vec(), r#""x86" "Linux""#),
            (15, with(&[0, 10], b""), "10 ns.example"),
            (16, b"\x06v=\"1\" \x00\x02\x07\\".to_vec(), r#""v=\"1\" " "" "\007\\""#),
            (33, with(&[0, 1, 0, 2, 0x14, 0xe9], b""), "1 2 5353 ns.example"),
            (35, with(b"\0\x0a\0\x14\x01u\x07E2U+sip\x00", b""), r#"10 20 "u" "E2U+sip" "" ns.example"#),
            (43, vec![0x4a, 0x5c, 8, 2, 0xab, 0xcd], "19036 8 2 abcd"),
            (44, vec![4, 2, 1, 0xff], "4 2 01ff"),
            (
                46,
                with(&[0, 1, 13, 2, 0, 0, 0, 60, 0x65, 0, 0, 0, 0x64, 0, 0, 0, 0, 7], b"\xff\xff"),
                "A 13 2 60 20230912060656 20230302014640 7 ns.example //8=",
            ),
            (47, with(b"", &[0, 6, 0x40, 0x01, 0, 0, 0, 0x03, 1, 1, 0x40]), "ns.example A MX RRSIG NSEC CAA"),
            (48, vec![1, 1, 3, 13, 1, 2, 3], "257 3 13 AQID"),
            (50, vec![1, 0, 0, 10, 2, 0xaa, 0xbb, 2, 0xff, 0xff, 0, 1, 0x40], "1 0 10 aabb vvvg A"),
            (50, vec![1, 1, 0, 0, 0, 5, 0, 0x44, 0x32, 0x14, 0xc7], "1 1 0 - 01234567"),
            (52, vec![3, 1, 1, 0xee], "3 1 1 ee"),
            (256, b"\0\x0a\0\x01ftp://x".to_vec(), r#"10 1 "ftp://x""#),
            (257, b"\x80\x05issueca.example".to_vec(), r#"128 issue "ca.example""#),
            (64, vec![0, 0, 0], "0 ."),
            (4711, vec![1, 2, 0xff], r"\# 3 0102ff"),
            (4711, vec![], r"\# 0"),
        ] {
            assert_eq!(shown(kind, &bytes), text);
        }
    }

    #[test]
    fn service_bindings_show_their_parameters() {
        let bytes = [
            b"\0\x01\0\0\0\0\x02\0\x01\0\x01\0\x06\x02h2\x02h3\0\x02\0\0\0\x03\0\x02\x20\xfb".as_slice(),
            b"\0\x04\0\x08\xc0\0\x02\x01\xc0\0\x02\x02\0\x05\0\x01\xff\0\x06\0\x10",
            &Ipv6Addr::LOCALHOST.octets(),
            b"\x02\x9b\0\x01x",
        ]
        .concat();
        assert_eq!(
            shown(65, &bytes),
            "1 . mandatory=alpn alpn=h2,h3 no-default-alpn port=8443 ipv4hint=192.0.2.1,192.0.2.2 ech=/w== \
             ipv6hint=::1 key667=\"x\""
        );
    }

    #[test]
    fn data_that_its_type_does_not_have_is_said_to_be_so() {
        for (kind, bytes, why) in [
            (1, &[192, 0, 2][..], "Short"),
            (1, &[192, 0, 2, 1, 0], "Malformed"),
            (28, &[0; 15], "Short"),
            (5, &[0, 0], "Malformed"),
            (16, &[], "Short"),
            (16, &[2, b'x'], "Short"),
            (47, &[0, 0, 0], "Malformed"),
            (257, b"\0\x02a=x", "Malformed"),
            (65, &[0, 1, 0, 0, 3, 0, 3, 1, 2, 3], "Malformed"),
            (65, &[0, 1, 0, 0, 3, 0, 1, 1], "Short"),
        ] {
            assert_eq!(shown(kind, bytes), why, "{kind} {bytes:?}");
        }
    }

    #[test]
    fn addresses_of_another_class_are_not_taken_for_those_of_the_internet() {
        assert_eq!(Data::read(1, 3, Reader::new(&[1, 2, 3, 4], 0)), Ok(Data::Unknown([1, 2, 3, 4].into())));
    }

    #[test]
    fn options_of_edns_are_shown() {
        let bytes = b"\0\x0a\0\x02\xab\xcd\0\x0c\0\x03\0\0\0\0\x0f\0\x05\0\x17net\xfd\xe9\0\x01\x07";
        let text = text(OPT, 1232, &mut Reader::new(bytes, 0)).unwrap().unwrap();
        assert_eq!(text, r#"udp 1232 cookie=abcd padding=3 error=23 "net" option65001=07"#);
    }
}
