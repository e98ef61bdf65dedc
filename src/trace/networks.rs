//! Autonomous systems: whose network an address belongs to, from a file in the format of MaxMind.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use maxminddb::{Reader, geoip2};

use super::TraceError;

/// A database of autonomous systems, such as `GeoLite2-ASN.mmdb` or `dbip-asn-lite.mmdb`.
pub struct Networks {
    path: PathBuf,
    reader: Reader<Vec<u8>>,
}

/// The network that an address belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Number of the autonomous system.
    pub number: u32,
    /// Who runs it, if the file says so.
    pub name: Option<String>,
}

impl Networks {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`TraceError::Networks`] if it cannot be read, or is none of these.
    pub fn open(path: &Path) -> Result<Self, TraceError> {
        let failed = |error: maxminddb::MaxMindDbError| TraceError::Networks {
            path: path.display().to_string(),
            why: error.to_string(),
        };
        Ok(Self { path: path.to_owned(), reader: Reader::open_readfile(path).map_err(failed)? })
    }

    /// The network of an address; none if the file does not know it, or cannot be read there.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Option<Network> {
        let found: geoip2::Asn<'_> = self.reader.lookup(address).ok()?.decode().ok()??;
        let name = found.autonomous_system_organization.map(str::to_owned);
        Some(Network { number: found.autonomous_system_number?, name })
    }
}

impl std::fmt::Debug for Networks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Networks").field(&self.path).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<u8> {
        let length = u8::try_from(text.len()).unwrap();
        let head = if length < 29 { vec![0x40 | length] } else { vec![0x40 | 29, length - 29] };
        [head, text.as_bytes().to_vec()].concat()
    }

    fn number(number: u32) -> Vec<u8> {
        [&[0xc4], number.to_be_bytes().as_slice()].concat()
    }

    fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let head = vec![0xe0 | u8::try_from(entries.len()).unwrap()];
        let entries = entries.iter().flat_map(|(name, value)| [text(name), value.clone()].concat());
        head.into_iter().chain(entries).collect()
    }

    /// A file that knows one network, 203.0.113.0/24, as the format's specification (version 2.0) says.
    fn file() -> Vec<u8> {
        const NODES: u32 = 24;
        let prefix = u32::from_be_bytes([203, 0, 113, 0]);
        let mut bytes = Vec::new();
        for bit in 0..NODES {
            let next = if bit + 1 == NODES { NODES + 16 } else { bit + 1 };
            let sides = if prefix >> (31 - bit) & 1 == 0 { [next, NODES] } else { [NODES, next] };
            bytes.extend(sides.iter().flat_map(|side| side.to_be_bytes()[1..].to_vec()));
        }
        bytes.extend([0; 16]);
        bytes.extend(map(&[
            ("autonomous_system_number", number(64500)),
            ("autonomous_system_organization", text("Example \u{1b}[2J")),
        ]));
        bytes.extend(b"\xab\xcd\xefMaxMind.com");
        bytes.extend(map(&[
            ("node_count", number(NODES)),
            ("record_size", vec![0xa1, 24]),
            ("ip_version", vec![0xa1, 4]),
            ("database_type", text("Test-ASN")),
            ("languages", vec![0, 4]),
            ("binary_format_major_version", vec![0xa1, 2]),
            ("binary_format_minor_version", vec![0xa0]),
            ("build_epoch", vec![1, 2, 1]),
            ("description", map(&[])),
        ]));
        bytes
    }

    #[test]
    fn addresses_belong_to_networks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("as.mmdb");
        std::fs::write(&path, file()).unwrap();
        let networks = Networks::open(&path).unwrap();
        let network = networks.of([203, 0, 113, 9].into()).unwrap();
        assert_eq!((network.number, network.name.as_deref()), (64500, Some("Example \u{1b}[2J")));
        assert_eq!(networks.of([203, 0, 114, 9].into()), None);
        assert_eq!(networks.of("2001:db8::1".parse().unwrap()), None);
    }

    #[test]
    fn what_is_no_such_file_is_refused_or_knows_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("as.mmdb");
        let whole = file();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            if let Ok(networks) = Networks::open(&path) {
                let _ = networks.of([203, 0, 113, 9].into());
            }
        }
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 0xff;
            std::fs::write(&path, &broken).unwrap();
            if let Ok(networks) = Networks::open(&path) {
                let _ = networks.of([203, 0, 113, 9].into());
            }
        }
        let message = Networks::open(Path::new("/no/such/file")).unwrap_err().to_string();
        assert!(message.starts_with("cannot use /no/such/file as a file of autonomous systems: "), "{message}");
    }
}
