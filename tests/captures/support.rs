//! What the tests of this folder share: reading captures to their end, and asking other tools.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use netscript::capture::{Cancel, CaptureError, CaptureFile, Interface, PacketSource};
use netscript::packet::{LinkType, RawPacket};
use netscript::record::Time;

use crate::{capture, truth};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) nanos: i64,
    pub(crate) length: u32,
    pub(crate) link: LinkType,
    pub(crate) interface: u32,
    pub(crate) bytes: Vec<u8>,
}

impl Packet {
    pub(crate) fn raw(&self) -> RawPacket<'_> {
        RawPacket {
            time: Time::from_nanos(self.nanos),
            length: self.length,
            link: self.link,
            interface: self.interface,
            bytes: &self.bytes,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) packets: Vec<Packet>,
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) error: Option<CaptureError>,
}

pub(crate) fn drain(file: Result<CaptureFile, CaptureError>) -> Outcome {
    let mut file = match file {
        Ok(file) => file,
        Err(error) => return Outcome { error: Some(error), ..Outcome::default() },
    };
    let mut outcome = Outcome::default();
    loop {
        match file.next() {
            Ok(Some(packet)) => outcome.packets.push(Packet {
                nanos: packet.time.as_nanos(),
                length: packet.length,
                link: packet.link,
                interface: packet.interface,
                bytes: packet.bytes.to_vec(),
            }),
            Ok(None) => break,
            Err(error) => outcome.error = Some(error),
        }
    }
    outcome.interfaces = file.interfaces().to_vec();
    outcome
}

pub(crate) fn read(path: &Path) -> Outcome {
    drain(CaptureFile::open(path, &Cancel::new().unwrap()))
}

pub(crate) fn read_bytes(content: &[u8]) -> Outcome {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file.rewind().unwrap();
    drain(CaptureFile::from_fd(file.into(), "test", &Cancel::new().unwrap()))
}

pub(crate) fn read_through_a_pipe(content: &[u8]) -> Outcome {
    std::thread::scope(|scope| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        // The reader may give up earlier than the writer.
        scope.spawn(move || drop(writer.write_all(content)));
        drain(CaptureFile::from_fd(reader.into(), "test", &Cancel::new().unwrap()))
    })
}

/// Runs a tool with this content as its standard input.
pub(crate) fn run(tool: &str, arguments: &[&str], input: &Path) -> Output {
    Command::new(tool)
        .args(arguments)
        .env("TZ", "UTC")
        .stdin(File::open(input).unwrap())
        .stderr(Stdio::piped())
        .output()
        .unwrap_or_else(|error| panic!("{tool} cannot be run: {error}"))
}

/// Captures with at least one packet, by name.
pub(crate) fn readable() -> Vec<(String, Outcome)> {
    truth("files.tsv")
        .into_iter()
        .map(|row| row["file"].clone())
        .map(|name| (name.clone(), read(&capture(&name))))
        .filter(|(_, outcome)| !outcome.packets.is_empty())
        .collect()
}
