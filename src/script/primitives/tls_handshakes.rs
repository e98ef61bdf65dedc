//! `tls_handshakes()`: what TLS clients offer and what servers choose.

use super::super::docs::{Entry, Group};
use super::super::permission::Permission;
use super::super::source::Noun;
use crate::capture::Stage;
use crate::egress::Packets;
use crate::protocol::tls::{Handshakes, TlsHandshake};

pub(crate) const ENTRIES: &[Entry] = &[Entry {
    name: "tls_handshakes",
    signature: "tls_handshakes() or tls_handshakes(filter) or tls_handshakes(filter, options) -> stream of tls_handshake",
    group: Group::Noun,
    doc: "TLS handshakes over TCP and QUIC, on any port: who asks for which server, with what, and what the server chose. \
          Each is told once all else is encrypted. TLS is found at the beginning of a conversation, and behind STARTTLS and \
          CONNECT.",
    example: "open(\"browser.pcap\").tls_handshakes().count_by(|t| [t.server_name, t.version, t.ja4]).table()",
    needs: Some(Permission::Capture),
}];

pub(crate) static TLS_HANDSHAKES: Noun = Noun {
    name: "tls_handshakes",
    kind: TlsHandshake::KIND,
    packets: Packets::Introductions,
    stage: |_, context| Stage::Conversations(Box::new(Handshakes::new(&context.options.limits))),
};
