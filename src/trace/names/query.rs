//! DNS questions and their answers, in bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, RCODE, TYPE};

/// Something to ask a name server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// The IPv4 addresses of a name.
    A(String),
    /// The IPv6 addresses of a name.
    Aaaa(String),
    /// The name of an address.
    Ptr(IpAddr),
}

/// What a name server says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) addresses: Vec<IpAddr>,
    /// The names of an address, or the name that an alias stands for.
    pub(super) names: Vec<String>,
    /// Seconds for which it may be kept.
    pub(super) ttl: Option<u32>,
    pub(super) refusal: Option<Refusal>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no such name (NXDOMAIN).
    NoSuchName,
    /// The server cannot or will not tell.
    Server,
}

impl Question {
    /// The bytes of the question; none if its name is none.
    pub(super) fn bytes(&self, id: u16) -> Option<Vec<u8>> {
        let mut packet = Packet::new_query(id);
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
        let name = self.name();
        let name = Name::new(&name).ok()?;
        packet.questions.push(simple_dns::Question::new(
            name,
            QTYPE::TYPE(self.kind()),
            QCLASS::CLASS(CLASS::IN),
            false,
        ));
        packet.build_bytes_vec().ok()
    }

    /// Reads an answer to this question; none if it is something else.
    pub(super) fn answer(&self, id: u16, bytes: &[u8]) -> Option<Answer> {
        let packet = Packet::parse(bytes).ok()?;
        let asked = packet.questions.first()?;
        let same_name = asked.qname.to_string().eq_ignore_ascii_case(self.name().trim_end_matches('.'));
        if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) || !same_name {
            return None;
        }
        if asked.qtype != QTYPE::TYPE(self.kind()) {
            return None;
        }
        let refusal = match packet.rcode() {
            RCODE::NoError => None,
            RCODE::NameError => Some(Refusal::NoSuchName),
            _ => Some(Refusal::Server),
        };
        let mut answer = Answer { refusal, ..Answer::default() };
        for record in packet.answers {
            answer.ttl = Some(answer.ttl.map_or(record.ttl, |ttl| ttl.min(record.ttl)));
            match record.rdata {
                RData::A(a) => answer.addresses.push(Ipv4Addr::from_bits(a.address).into()),
                RData::AAAA(aaaa) => answer.addresses.push(Ipv6Addr::from_bits(aaaa.address).into()),
                RData::PTR(name) => answer.names.push(readable(&name.0)),
                RData::CNAME(name) => answer.names.push(readable(&name.0)),
                _ => {}
            }
        }
        Some(answer)
    }

    fn kind(&self) -> TYPE {
        match self {
            Self::A(_) => TYPE::A,
            Self::Aaaa(_) => TYPE::AAAA,
            Self::Ptr(_) => TYPE::PTR,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::A(name) | Self::Aaaa(name) => name.clone(),
            Self::Ptr(IpAddr::V4(address)) => {
                let [a, b, c, d] = address.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            Self::Ptr(IpAddr::V6(address)) => {
                let digits =
                    address.octets().into_iter().rev().map(|byte| format!("{:x}.{:x}.", byte & 0xf, byte >> 4));
                format!("{}ip6.arpa", digits.collect::<String>())
            }
        }
    }
}

/// A name as a person reads it: whoever answers can put any bytes into it, so what is not a visible character of ASCII is
/// written as in zone files (RFC 4343), `\027`.
fn readable(name: &Name<'_>) -> String {
    let label = |label: &[u8]| {
        let bytes = label.iter().map(|&byte| match byte {
            b'.' | b'\\' => format!("\\{}", char::from(byte)),
            byte if byte.is_ascii_graphic() => char::from(byte).to_string(),
            byte => format!("\\{byte:03}"),
        });
        bytes.collect::<String>()
    };
    name.as_bytes().map(label).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: [u8; 30] = [
        0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, b'd', b'b', 7, b'e', b'x', b'a', b'm', b'p', b'l', b'e', 0, 0, 1,
        0, 1, 0, 0,
    ];

    /// An answer to [`ASKED`] with one record.
    fn answer(flags: [u8; 2], kind: u8, data: &[u8]) -> Vec<u8> {
        let mut bytes = ASKED[..28].to_vec();
        bytes[2..4].copy_from_slice(&flags);
        bytes[7] = 1;
        bytes.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, u8::try_from(data.len()).unwrap()]);
        bytes.extend(data);
        bytes
    }

    #[test]
    fn questions_are_asked_as_the_standard_says() {
        assert_eq!(Question::A("db.example".into()).bytes(0x1234).unwrap(), ASKED[..28]);
        assert_eq!(Question::Ptr([192, 0, 2, 7].into()).name(), "7.2.0.192.in-addr.arpa");
        let six = Question::Ptr("2001:db8::9".parse().unwrap()).name();
        assert_eq!(six, "9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
        assert_eq!(Question::A("x".repeat(64)).bytes(1), None);
    }

    #[test]
    fn answers_to_other_questions_are_ignored() {
        let question = Question::A("db.example".into());
        let bytes = answer([0x81, 0x80], 1, &[203, 0, 113, 9]);
        let addresses = vec![IpAddr::from([203, 0, 113, 9])];
        assert_eq!(question.answer(0x1234, &bytes), Some(Answer { addresses, ttl: Some(60), ..Answer::default() }));
        assert_eq!(question.answer(0x1235, &bytes), None);
        assert_eq!(Question::A("dc.example".into()).answer(0x1234, &bytes), None);
        assert_eq!(Question::Aaaa("db.example".into()).answer(0x1234, &bytes), None);
        assert_eq!(question.answer(0x1234, &answer([1, 0], 1, &[203, 0, 113, 9])), None);
        let refusal = question.answer(0x1234, &answer([0x81, 0x83], 1, &[203, 0, 113, 9])).unwrap().refusal;
        assert_eq!(refusal, Some(Refusal::NoSuchName));
        for length in 0..bytes.len() {
            let _ = question.answer(0x1234, &bytes[..length]);
        }
    }

    #[test]
    fn names_cannot_steer_a_terminal() {
        let bytes = answer([0x81, 0x80], 5, b"\x07\x1b[2Ja.b\x00");
        let names = Question::A("db.example".into()).answer(0x1234, &bytes).unwrap().names;
        assert_eq!(names, ["\\027[2Ja\\.b"]);
    }
}
