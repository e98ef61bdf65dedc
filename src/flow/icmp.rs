//! Which ICMP messages belong together.

/// What an ICMP message is in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exchange {
    /// It asks; this type of message answers.
    Request(u8),
    /// It answers this type of message.
    Reply(u8),
    /// It is not answered: an error, or one that no one need answer.
    OneWay,
}

/// Types of requests with those of their replies, for ICMP (RFC 792, RFC 950, RFC 1256).
const V4: [(u8, u8); 5] = [(8, 0), (10, 9), (13, 14), (15, 16), (17, 18)];

/// The same for ICMPv6 (RFC 4443, RFC 2710, RFC 4861, RFC 4620, RFC 6275).
const V6: [(u8, u8); 6] = [(128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145)];

impl Exchange {
    /// What a message of this type is, in the IP protocol of that number. The pairs are those of Community ID.
    pub(super) fn of(protocol: u8, kind: u8) -> Self {
        let pairs: &[(u8, u8)] = if protocol == 1 { &V4 } else { &V6 };
        pairs
            .iter()
            .find_map(|&(request, reply)| match kind {
                k if k == request => Some(Self::Request(reply)),
                k if k == reply => Some(Self::Reply(request)),
                _ => None,
            })
            .unwrap_or(Self::OneWay)
    }
}
