//! A capture file as a source of packets.

use std::os::fd::OwnedFd;
use std::path::Path;

use super::descriptor::Descriptor;
use super::format::Located;
use super::input::{Input, may_be_compressed};
use super::{Cancel, CaptureError, Interface, PacketSource, Progress, pcap, pcapng};
use crate::packet::RawPacket;

/// Reads a capture file: pcap or pcapng, plain or compressed with gzip or zstd. All of that is told by content, not by
/// name, and nothing is ever read twice, so a pipe will do.
///
/// Packets are delivered as they are stored, with two exceptions: bytes beyond the length on the wire are cut off, and
/// the address family in front of [`LinkType::NULL`](crate::packet::LinkType::NULL) packets is brought into the byte
/// order of this machine. A simple packet block of pcapng has no time; it takes that of the packet before it in its
/// section, or 1970. Memory use does not depend on the length of the file.
///
/// # Errors
///
/// After packets, [`CaptureError::Truncated`] or [`CaptureError::Corrupt`] where the file cannot be read on: what was
/// delivered before stands. [`CaptureError::Cancelled`] soon after a request to stop.
///
/// # Examples
///
/// ```no_run
/// use netscript::capture::{Cancel, CaptureFile, PacketSource};
///
/// let cancel = Cancel::new()?;
/// let mut file = CaptureFile::open("incident.pcapng".as_ref(), &cancel)?;
/// while let Some(packet) = file.next()? {
///     println!("{} {} bytes", packet.time, packet.length);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CaptureFile {
    input: Input,
    reader: Reader,
    interfaces: Vec<Interface>,
    current: Located,
    ended: bool,
}

/// The two formats. A packet costs one branch to choose between them.
#[derive(Debug)]
enum Reader {
    Pcap(pcap::Reader),
    Pcapng(pcapng::Reader),
}

impl CaptureFile {
    /// Opens a file, or standard input for `-`, and reads its header. Waits for that header if it comes through a pipe.
    ///
    /// # Errors
    ///
    /// [`CaptureError::Open`] if the system does not let us, [`CaptureError::Input`] if it is not a capture file, and
    /// those of reading.
    pub fn open(path: &Path, cancel: &Cancel) -> Result<Self, CaptureError> {
        let (descriptor, name) = Descriptor::open(path, cancel)?;
        Self::from_input(Input::new(descriptor, name)?)
    }

    /// Reads an open file from where it stands. `name` is for messages.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open).
    pub fn from_fd(fd: OwnedFd, name: &str, cancel: &Cancel) -> Result<Self, CaptureError> {
        let descriptor = Descriptor::new(fd, name, cancel)?;
        Self::from_input(Input::new(descriptor, name.to_owned())?)
    }

    fn from_input(mut input: Input) -> Result<Self, CaptureError> {
        input.need(4)?;
        let mut interfaces = Vec::new();
        let reader = match input.unread().first_chunk::<4>() {
            Some(&pcapng::SECTION_HEADER) => Reader::Pcapng(pcapng::Reader::open(&mut input)?),
            Some(first) => {
                let magic = pcap::Magic::recognise(first).ok_or_else(|| not_a_capture(&input))?;
                let (reader, interface) = pcap::Reader::open(&mut input, magic)?;
                interfaces.push(interface);
                Reader::Pcap(reader)
            }
            None => return Err(too_short(&input)),
        };
        Ok(Self { input, reader, interfaces, current: Located::NONE, ended: false })
    }
}

impl PacketSource for CaptureFile {
    #[inline]
    fn advance(&mut self) -> Result<bool, CaptureError> {
        if self.ended {
            return Ok(false);
        }
        let found = match &mut self.reader {
            Reader::Pcap(reader) => reader.advance(&mut self.input),
            Reader::Pcapng(reader) => reader.advance(&mut self.input, &mut self.interfaces),
        };
        if let Ok(Some(packet)) = found {
            self.current = packet;
            return Ok(true);
        }
        self.ended = true;
        self.current = Located::NONE;
        found.map(|_| false)
    }

    #[inline]
    fn packet(&self) -> RawPacket<'_> {
        self.current.in_input(&self.input)
    }

    fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    fn progress(&self) -> Progress {
        self.input.progress()
    }

    fn stop(&mut self) {
        self.ended = true;
    }
}

/// The error for input of less than four bytes.
fn too_short(input: &Input) -> CaptureError {
    let bytes = input.unread();
    if bytes.is_empty() {
        return input.unusable("it is empty; give a capture file");
    }
    if pcapng::SECTION_HEADER.starts_with(bytes) || pcap::Magic::may_begin_with(bytes) || may_be_compressed(bytes) {
        return input.truncated("the magic number", 0);
    }
    not_a_capture(input)
}

/// The error for input that begins like nothing that we know.
fn not_a_capture(input: &Input) -> CaptureError {
    let bytes = &input.unread()[..input.unread().len().min(4)];
    let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(|c| c.is_ascii_graphic()) => format!(" \"{text}\""),
        _ => String::new(),
    };
    input.unusable(format!(
        "it is not a capture file: it begins with {}{text}; netscript reads pcap and pcapng, plain or compressed with \
         gzip or zstd",
        hex.join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::thread;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::super::testing::{block, drain, interface, open, packet, pcap_header, pcap_record, read, section};
    use super::*;

    fn message(result: Result<CaptureFile, CaptureError>) -> String {
        result.err().map(|error| error.to_string()).unwrap_or_default()
    }

    fn fifo(folder: &Path) -> std::path::PathBuf {
        let path = folder.join("fifo");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        path
    }

    #[test]
    fn what_is_no_capture_says_what_it_is_instead() {
        let know = "netscript reads pcap and pcapng, plain or compressed with gzip or zstd";
        for (content, reason) in [
            (b"".as_slice(), "it is empty; give a capture file".to_owned()),
            (b"GIF89a", format!("it is not a capture file: it begins with 47 49 46 38 \"GIF8\"; {know}")),
            (&[0, 0xff, 7, 9], format!("it is not a capture file: it begins with 00 ff 07 09; {know}")),
            (b"hi", format!("it is not a capture file: it begins with 68 69 \"hi\"; {know}")),
        ] {
            let error = open(content).expect_err("there is no capture");
            assert_eq!(error.to_string(), format!("cannot read `test`: {reason}"));
            assert!(!error.could_not_observe());
        }
        for beginning in [&[0xd4, 0xc3][..], &[0xa1], &[0x0a, 0x0d, 0x0d], &[0x1f], &[0x28, 0xb5]] {
            assert!(open(beginning).is_err_and(|error| error.is_truncation()), "{beginning:02x?}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_opened_says_why_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let cancel = Cancel::new().unwrap();
        let open = |path: &Path| CaptureFile::open(path, &cancel);
        let shown = folder.path().display();
        assert_eq!(
            message(open(folder.path())),
            format!("cannot read `{shown}`: it is a directory; give a capture file")
        );
        assert_eq!(
            message(open(&folder.path().join("no\nfile"))),
            format!("cannot open `{shown}/no\u{fffd}file`: there is no such file; check the name")
        );
        let secret = folder.path().join("secret");
        File::create(&secret).unwrap().set_permissions(PermissionsExt::from_mode(0o000)).unwrap();
        match File::open(&secret) {
            // Root may read everything.
            Ok(_) => assert!(message(open(&secret)).ends_with("it is empty; give a capture file")),
            Err(_) => assert!(open(&secret).is_err_and(|error| error.could_not_observe())),
        }
    }

    #[test]
    fn a_terminal_is_not_waited_for() {
        let terminal = File::open("/dev/ptmx").unwrap();
        assert_eq!(
            message(CaptureFile::from_fd(terminal.into(), "standard input", &Cancel::new().unwrap())),
            "cannot read `standard input`: it is a terminal; give a capture file"
        );
    }

    #[test]
    fn a_fifo_may_get_its_writer_later_and_its_bytes_one_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = fifo(folder.path());
        let reader = thread::spawn({
            let path = path.clone();
            move || drain(CaptureFile::open(&path, &Cancel::new().unwrap()).unwrap())
        });
        let mut writer = File::options().write(true).open(&path).unwrap();
        for byte in [section(), interface(1, 0, &[]), packet(0, 1, b"one"), packet(0, 2, b"two")].concat() {
            writer.write_all(&[byte]).unwrap();
        }
        drop(writer);
        let outcome = reader.join().unwrap();
        assert_eq!((outcome.packets.len(), outcome.message().as_str()), (2, ""));
    }

    #[test]
    fn packets_of_a_pipe_come_before_it_ends() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(&[pcap_header(1), pcap_record(1, 0, b"one")].concat()).unwrap();
        let mut file = CaptureFile::from_fd(reader.into(), "test", &Cancel::new().unwrap()).unwrap();
        assert_eq!(file.next().unwrap().unwrap().bytes, b"one");
        writer.write_all(&pcap_record(2, 0, b"two")).unwrap();
        assert_eq!(file.next().unwrap().unwrap().bytes, b"two");
        assert_eq!(file.progress(), Progress { bytes: 24 + 19 + 19, total: None });
        writer.write_all(&pcap_record(3, 0, b"three")[..18]).unwrap();
        drop(writer);
        assert!(file.next().is_err_and(|error| error.is_truncation()));
    }

    #[test]
    fn a_request_to_stop_ends_a_read_that_waits() {
        let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
        for beginning in [pcap_header(1), section(), gzip.to_vec(), vec![0x28, 0xb5, 0x2f, 0xfd], Vec::new()] {
            let (reader, mut writer) = std::io::pipe().unwrap();
            writer.write_all(&beginning).unwrap();
            let cancel = Cancel::new().unwrap();
            let waiting = thread::spawn({
                let cancel = cancel.clone();
                move || CaptureFile::from_fd(reader.into(), "test", &cancel)?.next().map(|packet| packet.is_some())
            });
            cancel.abort();
            let error = waiting.join().unwrap().expect_err("nothing was delivered");
            assert_eq!(error.to_string(), "reading `test` was stopped");
        }
    }

    #[test]
    fn a_request_to_stop_ends_the_wait_for_somebody_who_writes_to_a_fifo() {
        let folder = tempfile::tempdir().unwrap();
        let path = fifo(folder.path());
        let cancel = Cancel::new().unwrap();
        let waiting = thread::spawn({
            let cancel = cancel.clone();
            move || CaptureFile::open(&path, &cancel).map(drop)
        });
        cancel.abort();
        assert!(matches!(waiting.join().unwrap(), Err(CaptureError::Cancelled { .. })));
    }

    #[test]
    fn a_request_to_stop_ends_the_reading_of_a_long_file() {
        let mut content = pcap_header(1);
        for _ in 0..2000 {
            content.extend_from_slice(&pcap_record(1, 0, &[0; 1500]));
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let cancel = Cancel::new().unwrap();
        let mut file = CaptureFile::from_fd(file.into(), "test", &cancel).unwrap();
        assert!(file.advance().unwrap());
        cancel.abort();
        let stopped = std::iter::repeat_with(|| file.advance()).take(1000).find_map(Result::err);
        assert!(matches!(stopped, Some(CaptureError::Cancelled { .. })));
    }

    #[test]
    fn progress_counts_stored_bytes_from_where_the_file_stood() {
        let content = [pcap_header(1), pcap_record(1, 0, b"one")].concat();
        let compressed = zstd::encode_all(content.as_slice(), 1).unwrap();
        for stored in [content, compressed] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(b"preface").unwrap();
            file.write_all(&stored).unwrap();
            std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(7)).unwrap();
            let mut file = CaptureFile::from_fd(file.into(), "test", &Cancel::new().unwrap()).unwrap();
            assert_eq!(file.progress().total, Some(stored.len() as u64));
            while file.advance().unwrap() {}
            assert_eq!(file.progress().bytes, stored.len() as u64);
        }
    }

    #[test]
    fn a_long_run_of_blocks_without_packets_ends_through_a_pipe_too() {
        let mut content = [section(), interface(1, 0, &[])].concat();
        content.extend(block(5, &[0; 12]).repeat(200_000));
        content.extend(section().repeat(50_000));
        content.extend([interface(1, 0, &[]), packet(0, 1, b"end")].concat());
        let expected = read(&content);
        assert_eq!((expected.packets.len(), expected.message().as_str()), (1, ""));
        let (reader, mut writer) = std::io::pipe().unwrap();
        let sent = thread::spawn(move || writer.write_all(&content));
        let outcome = drain(CaptureFile::from_fd(reader.into(), "test", &Cancel::new().unwrap()).unwrap());
        assert_eq!(outcome.message(), "");
        assert_eq!(outcome.packets, expected.packets);
        sent.join().unwrap().unwrap();
    }
}
