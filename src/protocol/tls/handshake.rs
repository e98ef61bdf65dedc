//! The record of one handshake.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use super::flags::Flags;
use super::hello::{ClientHello, ServerHello};
use super::{cipher, ja4, names};
use crate::flow::{Flow, Owners, Side, community_id};
use crate::record::{Duration, Time, Value};

/// What a handshake is carried by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Records over TCP.
    Tcp,
    /// CRYPTO frames in QUIC's Initial packets over UDP.
    Quic,
}

impl Transport {
    /// The text that records show.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Quic => "quic",
        }
    }

    /// IP protocol number of what is underneath.
    const fn protocol(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Quic => 17,
        }
    }
}

/// An alert that was not encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Alert {
    pub(super) is_fatal: bool,
    pub(super) description: u8,
    pub(super) by: Side,
}

/// What a TLS client offered and what its server chose, as far as that is not encrypted.
#[derive(Debug)]
pub struct TlsHandshake {
    /// When the first byte of the ClientHello was captured; of the ServerHello, if there is no other.
    pub time: Time,
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
    pub(super) transport: Transport,
    pub(super) client_hello: Option<ClientHello>,
    pub(super) server_hello: Option<ServerHello>,
    /// With whether it is the client's.
    pub(super) alert: Option<(Alert, bool)>,
    pub(super) latency: Option<Duration>,
    pub(super) is_resumed: Option<bool>,
    pub(super) flags: Flags,
    pub(super) owners: Option<Arc<Owners>>,
}

crate::flow::record_with_owners! {
    /// What a TLS client offered and what its server chose, over TCP or QUIC, as far as that is not encrypted.
    impl Record for TlsHandshake as "tls_handshake" {
        /// When the first byte of the ClientHello was captured; of the ServerHello, if there is no other.
        time: Time, main => |x| x.time;
        /// Who sent the ClientHello.
        client: Address, main => |x| x.client.ip();
        /// TCP or UDP port of the client.
        client_port: Integer => |x| x.client.port();
        /// Who answered it.
        server: Address, main => |x| x.server.ip();
        /// TCP or UDP port of the server.
        server_port: Integer => |x| x.server.port();
        /// What carries it: `tcp` or `quic`.
        transport: Text => |x| x.transport.name();
        /// Host that the client asks for (RFC 6066, section 3).
        /// None if it does not say; with `ech` among the flags it is a name that hides another one.
        server_name: Text, main => |x| x.server_name_bytes().map(text);
        /// Version that the server chose: `TLS 1.3`.
        version: Text, main => |x| x.server_hello.as_ref().map(|hello| names::version(hello.version));
        /// Application protocol that the server chose (RFC 7301): `h2`.
        /// None if it chose none, and in TLS 1.3, where the choice is encrypted: see `alpn_offered`.
        alpn: Text => |x| x.server_hello.as_ref().and_then(|hello| hello.alpn.as_deref()).map(text);
        /// Application protocols that the client offers, the one that it likes most first.
        alpn_offered: List => |x| x.offered(|hello| hello.alpn.iter().map(|name| text(name)).collect());
        /// Fingerprint of the client's software: JA4. Programs that use one TLS library in the same way share it.
        ja4: Text, main => |x| x.client_hello().map(|hello| ja4::ja4(hello, x.transport));
        /// The fingerprint before its lists are hashed: JA4_r.
        ja4_r: Text => |x| x.client_hello().map(|hello| ja4::ja4_raw(hello, x.transport));
        /// Alert that was not encrypted, with its level: `fatal: unknown_ca`.
        /// In TLS 1.3 most are encrypted: all that come behind the ServerHello.
        alert: Text => |x| x.alert_text();
        /// Who sent that alert: `client` or `server`.
        alert_by: Text => |x| x.alert.map(|(_, by_client)| if by_client { "client" } else { "server" });
        /// Versions that the client offers, the one that it likes most first.
        versions_offered: List => |x| x.offered(|hello| listed(&hello.versions(), names::version));
        /// Cipher suite that the server chose, as IANA names it, else its number: `0x1234`.
        cipher: Text => |x| x.server_hello.as_ref().map(|hello| cipher::name(hello.cipher));
        /// Cipher suites that the client offers, the one that it likes most first.
        ciphers_offered: List => |x| x.offered(|hello| listed(&hello.ciphers, cipher::name));
        /// Whether both went on with keys of an earlier session, or with others that they had before.
        /// None where that cannot be told.
        resumed: Bool => |x| x.is_resumed;
        /// Time from the last byte of the ClientHello to the first byte of the ServerHello, or of a HelloRetryRequest.
        /// None where they were not both seen, or not in that order.
        latency: Duration => |x| x.latency.filter(|latency| *latency >= Duration::ZERO);
        /// What is remarkable, as short names such as `hello-retry` or `no-server-hello`.
        flags: List => |x| x.flags.names().collect::<Vec<_>>();
        /// Whether ClientHello and ServerHello were both captured whole.
        complete: Bool => |x| x.client_hello.is_some() && x.server_hello.is_some();
    } owners {
        /// Community ID of the conversation.
        flow: Text => |x| community_id(x.transport.protocol(), x.client, x.server, false);
    }
}

impl TlsHandshake {
    /// Address and port of the client.
    #[must_use]
    pub const fn client(&self) -> SocketAddr {
        self.client
    }

    /// Address and port of the server.
    #[must_use]
    pub const fn server(&self) -> SocketAddr {
        self.server
    }

    /// What carries it.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// The host that the client asks for, if it says and that is a text.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        std::str::from_utf8(self.server_name_bytes()?).ok()
    }

    /// Who on this host has the two ends of the conversation, with the client's end first.
    pub(super) fn owners_of(flow: &Flow, client: Side) -> Option<Arc<Owners>> {
        let as_it_is = client == Side::Originator;
        flow.owners().map(|owners| Arc::new(if as_it_is { owners.clone() } else { owners.swapped() }))
    }

    fn owners(&self) -> Option<&Owners> {
        self.owners.as_deref()
    }

    fn server_name_bytes(&self) -> Option<&[u8]> {
        self.client_hello.as_ref()?.server_name.as_deref()
    }

    /// What the client offers, if that has a fingerprint: a hello of SSL 2.0 has none.
    fn client_hello(&self) -> Option<&ClientHello> {
        self.client_hello.as_ref().filter(|_| !self.flags.has(Flags::SSL2_HELLO))
    }

    /// A list out of the ClientHello; none if that was not seen.
    fn offered<'a>(&'a self, list: impl FnOnce(&'a ClientHello) -> Vec<Value<'a>>) -> Option<Value<'a>> {
        self.client_hello.as_ref().map(|hello| Value::List(list(hello)))
    }

    fn alert_text(&self) -> Option<String> {
        let (alert, _) = self.alert?;
        let level = if alert.is_fatal { "fatal" } else { "warning" };
        Some(format!("{level}: {}", names::alert(alert.description)))
    }
}

fn listed(values: &[u16], name: fn(u16) -> Cow<'static, str>) -> Vec<Value<'static>> {
    values.iter().map(|&value| Value::Text(name(value))).collect()
}

/// A text where the bytes are one.
fn text(bytes: &[u8]) -> Value<'_> {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.into(), Value::from)
}
