//! Live capture.

mod counts;
mod ends;
mod mistakes;
mod permissions;
mod places;
mod recording;
mod rows;
mod wire;

use std::path::{Path, PathBuf};

/// The capture that the project ships, 344 packets.
fn incident() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/incident.pcap")
}

/// How many packets that has.
const PACKETS: u32 = 344;
