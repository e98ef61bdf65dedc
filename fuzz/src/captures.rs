//! Any bytes as a capture file.

use std::fs::File;
use std::io::{Seek as _, Write as _};

use netscript::capture::{Cancel, CaptureFile, PacketSource as _};
use rustix::fs::{MemfdFlags, memfd_create};

/// Compressed input may hold millions of packets in a few bytes.
const PACKETS: usize = 5_000;

/// Reads the input to its end.
pub fn check(input: &[u8]) {
    let mut file = File::from(memfd_create("capture", MemfdFlags::CLOEXEC).unwrap());
    file.write_all(input).unwrap();
    file.rewind().unwrap();
    let Ok(mut capture) = CaptureFile::from_fd(file.into(), "input", &Cancel::new().unwrap()) else { return };
    for _ in 0..PACKETS {
        match capture.advance() {
            Ok(true) => {
                let packet = capture.packet();
                assert!(packet.bytes.len() <= packet.length as usize, "{packet:?}");
                assert!((packet.interface as usize) < capture.interfaces().len(), "{packet:?}");
            }
            Ok(false) => break,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                assert!(matches!(capture.advance(), Ok(false)), "it goes on after {error}");
                break;
            }
        }
    }
}
