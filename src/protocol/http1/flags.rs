//! What is remarkable about a message or an exchange, as short names.

use std::ops::{BitOr, BitOrAssign};

/// A set of [`FLAGS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flags(u32);

macro_rules! flags {
    ($( $(#[doc = $doc:literal])+ $flag:ident = $name:literal; )+) => {
        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "they become constants")]
        enum Place { $($flag),+ }

        impl Flags {
            $( $(#[doc = $doc])+ pub(super) const $flag: Self = Self(1 << Place::$flag as u32); )+
        }

        /// Every name that the field `flags` of an exchange may have, and what it means.
        pub const FLAGS: &[(&str, &str)] = &[ $( ($name, concat!($($doc, "\n"),+)) ),+ ];
    };
}

flags! {
    /// Both fields say how long the body is; Transfer-Encoding counted (RFC 9112, section 6.3).
    CONTENT_LENGTH_AND_TRANSFER_ENCODING = "content-length-and-transfer-encoding";
    /// Content-Length says different numbers: where the message ends is unknown.
    DIFFERING_CONTENT_LENGTH = "differing-content-length";
    /// Content-Length is no number: where the message ends is unknown.
    BAD_CONTENT_LENGTH = "bad-content-length";
    /// Transfer-Encoding names chunked twice, or does not end with it.
    BAD_TRANSFER_ENCODING = "bad-transfer-encoding";
    /// An HTTP/1.0 message with Transfer-Encoding, which that version does not know.
    TRANSFER_ENCODING_IN_HTTP_1_0 = "transfer-encoding-in-http-1.0";
    /// A field goes on in the next line (RFC 9112, section 5.2).
    OBS_FOLD = "obs-fold";
    /// A line ends in LF without CR.
    BARE_LF = "bare-lf";
    /// The start line is not as RFC 9112 has it: blanks in the target, a version without a minor number.
    MALFORMED_START_LINE = "malformed-start-line";
    /// A field line without a colon, or whose name is no token: blanks before the colon are the usual case.
    MALFORMED_FIELD = "malformed-field";
    /// The chunks of a body could not be followed to its end.
    BAD_CHUNK = "bad-chunk";
    /// A gap in the capture hides a part of the request's head.
    GAP_IN_REQUEST_HEAD = "gap-in-request-head";
    /// A gap in the capture hides a part of the request's body, which is kept up to there.
    GAP_IN_REQUEST_BODY = "gap-in-request-body";
    /// A gap in the capture hides a part of the response's head.
    GAP_IN_RESPONSE_HEAD = "gap-in-response-head";
    /// A gap in the capture hides a part of the response's body, which is kept up to there.
    GAP_IN_RESPONSE_BODY = "gap-in-response-body";
    /// The head, or the trailer fields, were longer than `Limits::http_head_bytes`; what is kept ends there.
    CUT_HEAD = "cut-head";
    /// The body was longer than `Limits::http_body_bytes`; what is kept ends there.
    BODY_LIMIT = "body-limit";
    /// The decoded body was longer than `Limits::http_decoded_bytes`; what is kept ends there.
    DECODED_LIMIT = "decoded-limit";
    /// The body is not what its codings say; what could be decoded is kept, or else the body as it was sent.
    BAD_ENCODING = "bad-encoding";
    /// The body has a coding that is not known here, and is kept as it was sent.
    UNKNOWN_ENCODING = "unknown-encoding";
    /// Bytes or a gap before this message could not be read as one; it is the first that was found after them.
    RESYNCHRONISED = "resynchronised";
    /// The response is in a gap of the capture.
    RESPONSE_LOST = "response-lost";
    /// Which response belongs to which request cannot be told, so they stand apart.
    PAIRING_UNCERTAIN = "pairing-uncertain";
    /// Messages before this exchange were not captured, and the client was not seen waiting for a response yet: that
    /// this response answers this request is likely, and not certain.
    PAIRING_ASSUMED = "pairing-assumed";
    /// More requests waited for a response than `Limits::http_pending`, so this one is told without.
    PENDING_LIMIT = "pending-limit";
}

impl Flags {
    /// Both sets together.
    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of these are in the set.
    pub(super) const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Whether one of these is in the set.
    pub(super) const fn has_any(self, flags: Self) -> bool {
        self.0 & flags.0 != 0
    }

    /// Their names, in the order of the list above.
    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        (0..).zip(FLAGS).filter(move |(place, _)| self.has(Self(1 << place))).map(|(_, (name, _))| *name)
    }
}

impl BitOr for Flags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        *self = self.with(other);
    }
}
