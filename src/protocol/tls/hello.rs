//! ClientHello and ServerHello (RFC 8446, section 4.1; RFC 5246, section 7.4.1).

use super::super::cursor::Cursor;

/// Types of extensions that are read (RFC 6066, RFC 7301, RFC 8446, RFC 9849).
pub(super) mod extension {
    pub(in super::super) const SERVER_NAME: u16 = 0;
    pub(in super::super) const SIGNATURE_ALGORITHMS: u16 = 13;
    pub(in super::super) const ALPN: u16 = 16;
    pub(in super::super) const PRE_SHARED_KEY: u16 = 41;
    pub(in super::super) const SUPPORTED_VERSIONS: u16 = 43;
    pub(in super::super) const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
}

/// The version from which on all is encrypted that follows the ServerHello.
pub(super) const TLS_1_3: u16 = 0x0304;

/// What a server sends as its random to ask for another ClientHello: SHA-256 of "HelloRetryRequest".
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Whether a value means nothing and is there so that peers learn to ignore what they do not know (RFC 8701).
pub(super) const fn is_grease(value: u16) -> bool {
    let [high, low] = value.to_be_bytes();
    high == low && low & 15 == 10
}

/// What a client offers. Values are as they were sent, in their order, without those that mean nothing (RFC 8701).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ClientHello {
    /// The version in the old place, where TLS 1.3 says 1.2.
    pub(super) version: u16,
    pub(super) ciphers: Vec<u16>,
    /// Types of its extensions.
    pub(super) extensions: Vec<u16>,
    pub(super) server_name: Option<Box<[u8]>>,
    pub(super) alpn: Vec<Box<[u8]>>,
    /// What the extension says that replaces `version`.
    pub(super) supported_versions: Vec<u16>,
    pub(super) signature_algorithms: Vec<u16>,
}

impl ClientHello {
    /// Reads the body of the message; none if it is not well formed.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let mut body = Cursor(body);
        let version = body.u16()?;
        let (_random, _session_id) = (body.take(32)?, body.vector(1)?);
        let mut hello = Self { version, ciphers: sensible(body.vector(2)?)?, ..Self::default() };
        let _compression_methods = body.vector(1)?;
        // Before TLS 1.2 the message may end here.
        let mut extensions = if body.is_empty() { body } else { body.vector(2)? };
        while !extensions.is_empty() {
            let (kind, mut data) = (extensions.u16()?, extensions.vector(2)?);
            match kind {
                extension::SERVER_NAME => hello.server_name = host_name(data)?,
                extension::ALPN => hello.alpn = names(data)?,
                extension::SUPPORTED_VERSIONS => hello.supported_versions = sensible(data.vector(1)?)?,
                extension::SIGNATURE_ALGORITHMS => hello.signature_algorithms = sensible(data.vector(2)?)?,
                _ => {}
            }
            if !is_grease(kind) {
                hello.extensions.push(kind);
            }
        }
        body.is_empty().then_some(hello)
    }

    /// Reads a whole hello of SSL 2.0 in which a client offers SSL 3.0 or later (RFC 5246, appendix E.2).
    pub(super) fn parse_ssl2(record: &[u8]) -> Option<Self> {
        let mut record = Cursor(record);
        let (_length, _kind, version) = (record.u16()?, record.u8()?, record.u16()?);
        let [ciphers, session_id, challenge] = [record.u16()?, record.u16()?, record.u16()?].map(usize::from);
        let (ciphers, []) = record.take(ciphers)?.as_chunks::<3>() else { return None };
        record.take(session_id + challenge)?;
        // Others are of SSL 2.0 itself.
        let of_tls = |&[first, high, low]: &[u8; 3]| (first == 0).then_some(u16::from_be_bytes([high, low]));
        let ciphers = ciphers.iter().filter_map(of_tls).collect();
        record.is_empty().then_some(Self { version, ciphers, ..Self::default() })
    }

    /// The versions that it offers.
    pub(super) fn versions(&self) -> Vec<u16> {
        if self.supported_versions.is_empty() { vec![self.version] } else { self.supported_versions.clone() }
    }

    pub(super) fn has(&self, extension: u16) -> bool {
        self.extensions.contains(&extension)
    }
}

/// What a server chose.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ServerHello {
    pub(super) version: u16,
    pub(super) cipher: u16,
    /// None in TLS 1.3, where it is encrypted.
    pub(super) alpn: Option<Box<[u8]>>,
    /// Whether it goes on with a key that both had before.
    pub(super) has_pre_shared_key: bool,
    /// Whether it is a HelloRetryRequest, which asks for another ClientHello.
    pub(super) is_retry: bool,
}

impl ServerHello {
    /// Reads the body of the message; none if it is not well formed.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let mut body = Cursor(body);
        let (version, random, _session_id) = (body.u16()?, body.take(32)?, body.vector(1)?);
        let (cipher, _compression_method) = (body.u16()?, body.u8()?);
        let mut hello = Self { version, cipher, is_retry: random == RETRY, ..Self::default() };
        let mut extensions = if body.is_empty() { body } else { body.vector(2)? };
        while !extensions.is_empty() {
            let (kind, mut data) = (extensions.u16()?, extensions.vector(2)?);
            match kind {
                extension::ALPN => hello.alpn = names(data)?.into_iter().next(),
                extension::SUPPORTED_VERSIONS => hello.version = data.u16()?,
                extension::PRE_SHARED_KEY => hello.has_pre_shared_key = true,
                _ => {}
            }
        }
        body.is_empty().then_some(hello)
    }
}

/// The values that mean something.
fn sensible(list: Cursor<'_>) -> Option<Vec<u16>> {
    let mut values = list.u16s()?;
    values.retain(|&value| !is_grease(value));
    Some(values)
}

/// The host in a server_name extension, which a client may leave empty; the outer option is for one that is malformed.
fn host_name(mut data: Cursor<'_>) -> Option<Option<Box<[u8]>>> {
    if data.is_empty() {
        return Some(None);
    }
    let mut list = data.vector(2)?;
    while !list.is_empty() {
        let (kind, name) = (list.u8()?, list.vector(2)?);
        if kind == 0 {
            return Some(Some(name.0.into()));
        }
    }
    Some(None)
}

/// The names in an ALPN extension, without those that mean nothing: they are two bytes that repeat (RFC 8701).
fn names(mut data: Cursor<'_>) -> Option<Vec<Box<[u8]>>> {
    let (mut list, mut names) = (data.vector(2)?, Vec::new());
    while !list.is_empty() {
        let name = list.vector(1)?.0;
        if !<[u8; 2]>::try_from(name).is_ok_and(|pair| is_grease(u16::from_be_bytes(pair))) {
            names.push(name.into());
        }
    }
    Some(names)
}
