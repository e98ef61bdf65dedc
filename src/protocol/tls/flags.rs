//! What is remarkable about a handshake, as short names.

use std::ops::BitOrAssign;

/// A set of [`FLAGS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flags(u16);

macro_rules! flags {
    ($( $(#[doc = $doc:literal])+ $flag:ident = $name:literal; )+) => {
        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "they become constants")]
        enum Place { $($flag),+ }

        impl Flags {
            $( $(#[doc = $doc])+ pub(super) const $flag: Self = Self(1 << Place::$flag as u16); )+
        }

        /// Every name that the field `flags` of a handshake may have, and what it means.
        pub const FLAGS: &[(&str, &str)] = &[ $( ($name, concat!($($doc, "\n"),+)) ),+ ];
    };
}

flags! {
    /// The client sent an encrypted ClientHello, or pretends to: `server_name` is that of the outer one (RFC 9849).
    ECH = "ech";
    /// The server asked for another ClientHello; what is shown is the first (RFC 8446, section 4.1.4).
    HELLO_RETRY = "hello-retry";
    /// The ClientHello has the form of SSL 2.0, without extensions (RFC 5246, appendix E.2).
    SSL2_HELLO = "ssl2-hello";
    /// TLS began behind a dialogue in text: STARTTLS, or CONNECT to a proxy, which is the `server` then.
    UPGRADED = "upgraded";
    /// The ClientHello was not seen whole.
    NO_CLIENT_HELLO = "no-client-hello";
    /// The ServerHello was not seen whole.
    NO_SERVER_HELLO = "no-server-hello";
    /// What the server answered is not TLS.
    ANSWER_NOT_TLS = "answer-not-tls";
    /// A part of the handshake before it was encrypted is missing from the capture.
    GAP = "gap";
    /// A hello is longer than `Limits::tls_hello_bytes`, or in too many pieces, and was not kept.
    CUT = "cut";
    /// A record or a hello is not as the specifications have it.
    MALFORMED = "malformed";
    /// QUIC: the server asked for a proof of the client's address first (RFC 9000, section 8.1.2).
    QUIC_RETRY = "quic-retry";
    /// QUIC: the server does not speak the version that the client tried first (RFC 9000, section 6).
    QUIC_VERSION_NEGOTIATION = "quic-version-negotiation";
}

impl Flags {
    /// Whether all of these are in the set.
    pub(super) const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Their names, in the order of the list above.
    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        (0..).zip(FLAGS).filter(move |(place, _)| self.has(Self(1 << place))).map(|(_, (name, _))| *name)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
