//! The record of one resource record.

use super::data::Data;
use super::layout::OPT;
use super::name::Name;
use super::terms::{class_name, type_name};

/// Where in a message a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// What was asked for.
    Answer,
    /// Who has the authority.
    Authority,
    /// What may be of use.
    Additional,
}

impl Section {
    pub(super) const ALL: [Self; 3] = [Self::Answer, Self::Authority, Self::Additional];

    /// The text that the field `section` shows.
    const fn text(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Authority => "authority",
            Self::Additional => "additional",
        }
    }
}

/// A resource record of a DNS message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRecord {
    /// Where in the message it stands.
    pub section: Section,
    /// Whom it is about.
    pub name: Name,
    /// Its type, as a number.
    pub kind: u16,
    /// Its class, as a number; of OPT the longest answer that its sender takes.
    pub class: u16,
    /// Seconds for which it may be kept; of OPT something else.
    pub ttl: u32,
    /// What it holds.
    pub data: Data,
}

crate::record! {
    /// A resource record of a DNS message.
    impl Record for ResourceRecord as "dns_record" {
        /// Section of the message: `answer`, `authority` or `additional`.
        section: Text, main => |x| x.section.text();
        /// The name that it is about.
        name: Text, main => |x| x.name.to_string();
        /// Its type: `A`, `AAAA`, `CNAME`, …
        r#type: Text, main => |x| type_name(x.kind);
        /// Its class, nearly always `IN`; none for OPT. In mDNS the bit that flushes caches is left out.
        class: Text => |x| (x.kind != OPT).then(|| class_name(x.class & 0x7fff));
        /// Seconds for which it may be kept; none for OPT.
        ttl: Integer in "seconds", main => |x| (x.kind != OPT).then_some(x.ttl);
        /// What it holds, in the words of zone files, names without the last dot.
        /// Of a type that is not known it is as RFC 3597 has it: `\# 2 abcd`.
        data: Text, main => |x| x.data.to_string();
    }
}
