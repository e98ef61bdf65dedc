//! What a resource record holds.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::layout;
use super::name::{Name, Read, Reader, Unreadable};

/// The data of a resource record. Prints as in zone files, names without the last dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// The name that this one stands for.
    Cname(Name),
    /// The name that stands for the end of all names below this one.
    Dname(Name),
    /// A name server.
    Ns(Name),
    /// The name that an address or a service has.
    Ptr(Name),
    /// Data of the other types that are known here, in the words of zone files.
    Text(Box<str>),
    /// Data of a type that is not known here, or that is not as its type has it.
    Unknown(Box<[u8]>),
}

/// IN, the class of the Internet.
pub(super) const IN: u16 = 1;

impl Data {
    /// The data that the reader holds, all of it. Unknown types are read, too.
    pub(super) fn read(kind: u16, class: u16, mut reader: Reader<'_>) -> Read<Self> {
        let data = match kind {
            // The addresses of other classes are something else.
            1 | 28 if class != IN => return Ok(Self::unknown(&reader)),
            1 => Self::A(Ipv4Addr::from_bits(reader.u32()?)),
            28 => Self::Aaaa(Ipv6Addr::from(<[u8; 16]>::try_from(reader.take(16)?).map_err(|_| Unreadable::Short)?)),
            2 => Self::Ns(reader.name()?),
            5 => Self::Cname(reader.name()?),
            12 => Self::Ptr(reader.name()?),
            39 => Self::Dname(reader.name()?),
            _ => match layout::text(kind, class, &mut reader)? {
                Some(text) => Self::Text(text.into()),
                None => return Ok(Self::unknown(&reader)),
            },
        };
        if reader.rest().is_empty() { Ok(data) } else { Err(Unreadable::Malformed) }
    }

    /// What the reader holds, as it is.
    pub(super) fn unknown(reader: &Reader<'_>) -> Self {
        Self::Unknown(reader.rest().into())
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::A(address) => address.fmt(f),
            Self::Aaaa(address) => address.fmt(f),
            Self::Cname(name) | Self::Dname(name) | Self::Ns(name) | Self::Ptr(name) => name.fmt(f),
            Self::Text(text) => f.write_str(text),
            // RFC 3597, section 5.
            Self::Unknown(bytes) if bytes.is_empty() => f.write_str("\\# 0"),
            Self::Unknown(bytes) => write!(f, "\\# {} {}", bytes.len(), layout::hex(bytes)),
        }
    }
}
