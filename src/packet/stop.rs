//! Why and where decoding ended early.

use std::fmt;

/// Why and where decoding ended early. What stands before that place was decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// Offset of the header that could not be decoded from the beginning of the packet, in bytes. In a datagram that
    /// was put together it is the offset of the fragment's data in the packet that completed it.
    pub offset: u32,
    /// What was wrong there.
    pub reason: Reason,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at offset {}", self.reason, self.offset)
    }
}

/// What keeps a header from being decoded. Prints as one line that names the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The snapshot length ended the packet inside the header.
    Cut {
        /// Which header.
        header: &'static str,
    },
    /// What carries the header ends inside it.
    Short {
        /// Which header.
        header: &'static str,
        /// Length that the header needs, in bytes.
        needs: u32,
        /// Length that is there, in bytes.
        has: u32,
    },
    /// A field has a value that it must not have.
    Field {
        /// Which field of which header: `IPv4: header length`.
        field: &'static str,
        /// Its value.
        value: u32,
        /// What is wrong with it: `is less than 20`.
        problem: &'static str,
    },
    /// A fragment does not fit to the others of its datagram.
    Fragment {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// More headers of one sort than are followed.
    TooMany {
        /// Headers of which sort.
        headers: &'static str,
        /// How many are followed.
        limit: u8,
    },
    /// Packets of this link type are not decoded.
    LinkType(u16),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Cut { header } => write!(f, "{header}: header cut by the snapshot length"),
            Self::Short { header, needs, has } => {
                write!(f, "{header}: header needs {needs} bytes, only {has} are there")
            }
            Self::Field { field, value, problem } => write!(f, "{field} {value} {problem}"),
            Self::Fragment { problem } => write!(f, "fragment {problem}"),
            Self::TooMany { headers, limit } => write!(f, "more than {limit} {headers}"),
            Self::LinkType(number) => write!(f, "link type {number} is not decoded"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_name_the_header_the_place_and_the_numbers() {
        for (reason, text) in [
            (Reason::Cut { header: "TCP" }, "TCP: header cut by the snapshot length"),
            (Reason::Short { header: "TCP", needs: 20, has: 12 }, "TCP: header needs 20 bytes, only 12 are there"),
            (
                Reason::Field { field: "IPv4: header length", value: 16, problem: "is less than 20" },
                "IPv4: header length 16 is less than 20",
            ),
            (Reason::Fragment { problem: "overlaps another one" }, "fragment overlaps another one"),
            (Reason::TooMany { headers: "tunnels", limit: 8 }, "more than 8 tunnels"),
            (Reason::LinkType(147), "link type 147 is not decoded"),
        ] {
            assert_eq!(Stop { offset: 34, reason }.to_string(), format!("{text} at offset 34"));
        }
    }
}
