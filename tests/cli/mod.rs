//! The command line.

mod commands;
mod github;
mod library;
mod limits;
mod outputs;
mod permissions;
mod proxy;
mod signals;
mod sources;
mod verdicts;

use std::path::Path;

use crate::support::incident::incident;
use crate::support::program::Folder;
use crate::support::transcript;

/// A folder with the capture of the incident.
fn folder() -> Folder {
    Folder::with("incident.pcap", incident().pcap())
}

/// Plays the transcript of that name again.
fn check(name: &str, folder: &Folder) {
    transcript::check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli").join(name), folder);
}
