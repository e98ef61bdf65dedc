//! Keys of Initial packets, and how those are opened with them (RFC 9001, section 5; RFC 9369, section 3.3).

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::aes::Aes128;
use aes_gcm::aes::cipher::BlockCipherEncrypt;
use aes_gcm::{Aes128Gcm, Key};
use hkdf::Hkdf;
use sha2::Sha256;

use super::packets::{Initial, Version};

/// What opens the packets that one end sends.
pub(super) struct Keys {
    packet: Aes128Gcm,
    header: Aes128,
    pub(super) iv: [u8; 12],
}

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Client,
    Server,
}

const SALT_V1: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f,
    0x0a,
];
const SALT_V2: [u8; 20] = [
    0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e,
    0xd9,
];

impl Keys {
    /// The keys that follow from the connection ID that the client chose for the server.
    pub(super) fn new(version: Version, id: &[u8], of: End) -> Self {
        let (salt, [key, iv, header]) = match version {
            Version::V1 => (SALT_V1, ["quic key", "quic iv", "quic hp"]),
            Version::V2 => (SALT_V2, ["quicv2 key", "quicv2 iv", "quicv2 hp"]),
        };
        let label = match of {
            End::Client => "client in",
            End::Server => "server in",
        };
        let secret: [u8; 32] = expand(&Hkdf::new(Some(&salt), id), label);
        let secret = Hkdf::from_prk(&secret).expect("a secret has the length of its hash");
        Self {
            packet: Aes128Gcm::new(&Key::<Aes128Gcm>::from(expand::<16>(&secret, key))),
            header: Aes128::new(&expand::<16>(&secret, header).into()),
            iv: expand(&secret, iv),
        }
    }

    /// The number and the frames of a packet; none if it was not made with these keys. `expected` is the number that
    /// should come next, because packets carry the end of theirs alone.
    pub(super) fn open(&self, packet: &Initial<'_>, expected: u64) -> Option<(u64, Vec<u8>)> {
        let (sample_at, mut mask) = (packet.number_at + 4, aes_gcm::aes::Block::default());
        mask.copy_from_slice(packet.bytes.get(sample_at..sample_at + 16)?);
        self.header.encrypt_block(&mut mask);
        let mut header = packet.bytes.get(..sample_at)?.to_vec();
        header[0] ^= mask[0] & 15;
        let length = usize::from(header[0] & 3) + 1;
        header.truncate(packet.number_at + length);
        let mut sent = 0;
        for (byte, mask) in header[packet.number_at..].iter_mut().zip(&mask[1..]) {
            *byte ^= mask;
            sent = sent << 8 | u64::from(*byte);
        }
        let number = nearest(sent, 8 * length, expected);
        let mut nonce = self.iv;
        nonce[4..].iter_mut().zip(number.to_be_bytes()).for_each(|(byte, number)| *byte ^= number);
        let mut frames = packet.bytes.get(header.len()..)?.to_vec();
        self.packet.decrypt_in_place(&nonce.into(), &header, &mut frames).ok()?;
        Some((number, frames))
    }
}

#[cfg(test)]
impl Keys {
    /// The packet that these keys make of a header, whose number has four bytes at its end or fewer, and of frames.
    pub(super) fn seal(&self, header: &[u8], number: u64, frames: &[u8]) -> Vec<u8> {
        let length = usize::from(header[0] & 3) + 1;
        let mut nonce = self.iv;
        nonce[4..].iter_mut().zip(number.to_be_bytes()).for_each(|(byte, number)| *byte ^= number);
        let mut sealed = frames.to_vec();
        self.packet.encrypt_in_place(&nonce.into(), header, &mut sealed).unwrap();
        let (number_at, mut packet) = (header.len() - length, [header, &sealed].concat());
        let mut mask = aes_gcm::aes::Block::default();
        mask.copy_from_slice(&packet[number_at + 4..][..16]);
        self.header.encrypt_block(&mut mask);
        packet[0] ^= mask[0] & 15;
        packet[number_at..][..length].iter_mut().zip(&mask[1..]).for_each(|(byte, mask)| *byte ^= mask);
        packet
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

/// Makes a secret out of another one (HKDF-Expand-Label of RFC 8446, section 7.1).
fn expand<const LENGTH: usize>(secret: &Hkdf<Sha256>, label: &str) -> [u8; LENGTH] {
    let label = ["tls13 ", label].concat();
    let info = [&[0, LENGTH as u8, label.len() as u8], label.as_bytes(), &[0]].concat();
    let mut output = [0; LENGTH];
    secret.expand(&info, &mut output).expect("it is shorter than what one hash can give");
    output
}

/// The number nearest to the expected one that ends in these bits (RFC 9000, appendix A.3).
fn nearest(sent: u64, bits: usize, expected: u64) -> u64 {
    let window = 1 << bits;
    let candidate = expected & !(window - 1) | sent;
    if candidate + window / 2 <= expected {
        candidate + window
    } else if candidate > expected + window / 2 && candidate >= window {
        candidate - window
    } else {
        candidate
    }
}
