//! Messages of DNS (RFC 1035).

use std::net::IpAddr;

/// What a name has.
pub(crate) enum Has<'a> {
    Address(&'a str),
    Alias(&'a str),
}

/// A question for the IPv4 address of a name.
pub(crate) fn question(id: u16, name: &str) -> Vec<u8> {
    message(id, 0x0100, name, &[])
}

/// The answer to it: what these names have, one after the other.
pub(crate) fn answer(id: u16, name: &str, records: &[(&str, Has<'_>)]) -> Vec<u8> {
    message(id, 0x8180, name, records)
}

/// The answer that there is no such name.
pub(crate) fn nobody(id: u16, name: &str) -> Vec<u8> {
    message(id, 0x8183, name, &[])
}

fn message(id: u16, bits: u16, name: &str, records: &[(&str, Has<'_>)]) -> Vec<u8> {
    let counts = [id, bits, 1, records.len() as u16, 0, 0];
    let mut message: Vec<u8> = counts.iter().flat_map(|word| word.to_be_bytes()).collect();
    message.extend(wire(name));
    message.extend([0, 1, 0, 1]);
    for (name, has) in records {
        let (kind, data) = match has {
            Has::Alias(alias) => (5, wire(alias)),
            Has::Address(address) => match address.parse().unwrap() {
                IpAddr::V4(address) => (1, address.octets().to_vec()),
                IpAddr::V6(address) => (28, address.octets().to_vec()),
            },
        };
        message.extend(wire(name));
        message.extend([0, kind, 0, 1, 0, 0, 0, 60]);
        message.extend((data.len() as u16).to_be_bytes());
        message.extend(data);
    }
    message
}

/// A name, as its labels with their lengths.
fn wire(name: &str) -> Vec<u8> {
    name.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).chain([0]).collect()
}
