//! The bytes of a capture, compressed or not, through one reused buffer.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::descriptor::{Descriptor, is_stop};
use super::{CaptureError, Progress};

/// Bytes read at a time: large enough that system calls do not show, small enough to stay in a core's cache.
const CHUNK: usize = 1 << 20;

/// Compressed bytes read, and decompressed bytes made, at a time. Less than [`CHUNK`], because what a step made before
/// it found corrupt data is lost.
const COMPRESSED_CHUNK: usize = 128 << 10;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// The magic numbers of zstd's skippable frames are 0x184d2a50 to 0x184d2a5f, in little-endian order.
const ZSTD_SKIPPABLE: &[u8] = &[0x2a, 0x4d, 0x18];

/// Whether compressed data may begin with these bytes.
pub(super) fn may_be_compressed(bytes: &[u8]) -> bool {
    GZIP.starts_with(bytes) || ZSTD.starts_with(bytes)
}

/// Where the bytes come from. What is dynamic here is paid for once per chunk, not once per packet.
enum Source {
    Plain(Descriptor),
    Gzip(Box<MultiGzDecoder<BufReader<Descriptor>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<Descriptor>>>),
}

impl Source {
    /// Recognises gzip (RFC 1952) and zstd (RFC 8878) by their first bytes.
    fn recognise(mut descriptor: Descriptor) -> io::Result<Self> {
        let mut first = [0; 4];
        let mut count = 0;
        while count < first.len() {
            match descriptor.read(&mut first[count..])? {
                0 => break,
                more => count += more,
            }
        }
        let first = &first[..count];
        descriptor.unread(first);
        let buffered = |descriptor| BufReader::with_capacity(COMPRESSED_CHUNK, descriptor);
        Ok(if first.starts_with(GZIP) {
            Self::Gzip(Box::new(MultiGzDecoder::new(buffered(descriptor))))
        } else if first == ZSTD || (first.ends_with(ZSTD_SKIPPABLE) && first[0] & 0xf0 == 0x50) {
            Self::Zstd(Box::new(zstd::Decoder::with_buffer(buffered(descriptor))?))
        } else {
            Self::Plain(descriptor)
        })
    }

    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let compressed = out.len().min(COMPRESSED_CHUNK);
        match self {
            Self::Plain(descriptor) => descriptor.read(out),
            Self::Gzip(decoder) => decoder.read(&mut out[..compressed]),
            Self::Zstd(decoder) => decoder.read(&mut out[..compressed]),
        }
    }

    fn descriptor(&self) -> &Descriptor {
        match self {
            Self::Plain(descriptor) => descriptor,
            Self::Gzip(decoder) => decoder.get_ref().get_ref(),
            Self::Zstd(decoder) => decoder.get_ref().get_ref(),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Plain(_) => "file",
            Self::Gzip(_) => "gzip",
            Self::Zstd(_) => "zstd",
        }
    }
}

/// A window over the bytes of a capture that moves forward only.
pub(super) struct Input {
    name: String,
    source: Source,
    buffer: Vec<u8>,
    /// Place of the first byte that was not consumed.
    start: usize,
    /// Place behind the last byte that was read.
    end: usize,
    /// Offset in the capture of the first byte of the buffer.
    base: u64,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("name", &self.name).field("kind", &self.source.name()).finish_non_exhaustive()
    }
}

impl Input {
    /// Reads from this descriptor, decompressing if its first bytes ask for it.
    pub(super) fn new(descriptor: Descriptor, name: String) -> Result<Self, CaptureError> {
        match Source::recognise(descriptor) {
            Ok(source) => Ok(Self { name, source, buffer: vec![0; CHUNK], start: 0, end: 0, base: 0 }),
            Err(error) if is_stop(&error) => Err(CaptureError::Cancelled { name }),
            Err(cause) => Err(CaptureError::Read { name, offset: 0, cause }),
        }
    }

    /// Bytes that were read and not consumed.
    #[inline]
    pub(super) fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Sees to it that `count` bytes can be looked at, and gives how many can be: fewer only at the end of the input.
    /// The buffer grows as bytes arrive, so a length that lies costs no more than the input is long.
    #[inline]
    pub(super) fn need(&mut self, count: usize) -> Result<usize, CaptureError> {
        let available = self.end - self.start;
        if available >= count { Ok(available) } else { self.fill(count) }
    }

    #[cold]
    #[inline(never)]
    fn fill(&mut self, count: usize) -> Result<usize, CaptureError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.base += self.start as u64;
        self.end -= self.start;
        self.start = 0;
        while self.end < count {
            if self.end == self.buffer.len() {
                self.buffer.resize(2 * self.buffer.len(), 0);
            }
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => break,
                Ok(more) => self.end += more,
                Err(cause) => return Err(self.failure(cause)),
            }
        }
        Ok(self.end)
    }

    /// Moves on by `count` bytes, which [`need`](Self::need) has shown to be there, and gives the place of the first.
    #[inline]
    pub(super) fn consume(&mut self, count: usize) -> usize {
        let place = self.start;
        self.start = (self.start + count).min(self.end);
        place
    }

    /// Moves on by `count` bytes. `false` if the input ends before.
    pub(super) fn skip(&mut self, mut count: u64) -> Result<bool, CaptureError> {
        while count > 0 {
            let available = self.need(1)? as u64;
            if available == 0 {
                return Ok(false);
            }
            let step = count.min(available);
            self.start += step as usize;
            count -= step;
        }
        Ok(true)
    }

    /// Bytes at a place that [`consume`](Self::consume) gave, until the next [`need`](Self::need).
    #[inline]
    pub(super) fn bytes(&self, place: usize, count: usize) -> &[u8] {
        self.buffer.get(place..place + count).unwrap_or_default()
    }

    /// The same, for those who change them.
    pub(super) fn bytes_mut(&mut self, place: usize, count: usize) -> &mut [u8] {
        self.buffer.get_mut(place..place + count).unwrap_or_default()
    }

    /// Offset in the capture of the next byte.
    #[inline]
    pub(super) const fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    /// Bytes of the input read, and there.
    pub(super) fn progress(&self) -> Progress {
        self.source.descriptor().progress()
    }

    #[cold]
    fn failure(&self, cause: io::Error) -> CaptureError {
        let name = self.name.clone();
        let offset = self.base + self.end as u64;
        if is_stop(&cause) {
            CaptureError::Cancelled { name }
        } else if cause.raw_os_error().is_some() {
            CaptureError::Read { name, offset, cause }
        } else if cause.kind() == io::ErrorKind::UnexpectedEof {
            CaptureError::Truncated { name, offset, inside: format!("the {} data", self.source.name()) }
        } else {
            CaptureError::Corrupt { name, offset, reason: format!("{} data: {cause}", self.source.name()) }
        }
    }

    /// The error for input that ends inside of `what`, which begins at byte `begin`.
    #[cold]
    pub(super) fn truncated(&self, what: &str, begin: u64) -> CaptureError {
        CaptureError::Truncated {
            name: self.name.clone(),
            offset: self.base + self.end as u64,
            inside: format!("{what} that begins at byte {begin}"),
        }
    }

    /// The error for a record at byte `offset` that says something impossible.
    #[cold]
    pub(super) fn corrupt(&self, offset: u64, reason: impl Into<String>) -> CaptureError {
        CaptureError::Corrupt { name: self.name.clone(), offset, reason: reason.into() }
    }

    /// The error for input that holds no capture that can be read.
    #[cold]
    pub(super) fn unusable(&self, reason: impl Into<String>) -> CaptureError {
        CaptureError::Input { name: self.name.clone(), reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::super::testing::{Outcome, pcap_header, pcap_record, read};

    fn capture(packets: u32) -> Vec<u8> {
        let mut file = pcap_header(1);
        for number in 0..packets {
            file.extend_from_slice(&pcap_record(number, 0, &number.to_le_bytes().repeat(100)));
        }
        file
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 1).unwrap()
    }

    fn ended(outcome: &Outcome) -> (usize, String) {
        (outcome.packets.len(), outcome.message())
    }

    #[test]
    fn compressed_captures_are_read_like_plain_ones_whatever_they_are_divided_into() {
        let plain = capture(10_000);
        let expected = read(&plain).packets;
        assert_eq!(expected.len(), 10_000);
        let skippable = [0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        let (first, second) = plain.split_at(1_234_567);
        for compressed in [
            gzip(&plain),
            [gzip(first), gzip(&[]), gzip(second), gzip(&[])].concat(),
            zstd(&plain),
            [zstd(first), zstd(&[]), skippable.to_vec(), zstd(second)].concat(),
            [skippable.to_vec(), zstd(&plain)].concat(),
        ] {
            let outcome = read(&compressed);
            assert_eq!(outcome.message(), "");
            assert!(outcome.packets == expected);
        }
    }

    #[test]
    fn compressed_data_that_is_cut_gives_the_packets_before_the_cut() {
        let plain = capture(3);
        for compressed in [gzip(&plain), zstd(&plain)] {
            for length in 1..compressed.len() {
                let outcome = read(&compressed[..length]);
                assert!(outcome.error.is_some_and(|error| error.is_truncation()), "{length} of {}", compressed.len());
            }
        }
        let whole = gzip(&plain);
        let without_checksum = read(&whole[..whole.len() - 8]);
        assert_eq!(
            ended(&without_checksum),
            (3, "`test` is cut short: it ends at byte 1272, inside the gzip data".to_owned())
        );
        // The cut is between two frames, but not between two packets.
        let half = read(&zstd(&plain[..1000]));
        let message = "`test` is cut short: it ends at byte 1000, inside a packet record that begins at byte 856";
        assert_eq!(ended(&half), (2, message.to_owned()));
    }

    #[test]
    fn corrupt_compressed_data_is_no_end() {
        let plain = capture(3);
        let mut wrong_checksum = gzip(&plain);
        let place = wrong_checksum.len() - 8;
        wrong_checksum[place] ^= 1;
        let trailing = [gzip(&plain), b"not compressed".to_vec()].concat();
        let mut too_large = zstd(&plain);
        // A window of 2 GiB.
        too_large.splice(4.., [0x00, 0xa8, 0, 0, 0]);
        for (compressed, packets, reason) in [
            (wrong_checksum, 3, "byte 1272: gzip data: corrupt gzip stream does not have a matching checksum"),
            (trailing, 3, "byte 1272: gzip data: invalid gzip header"),
            (too_large, 0, "byte 0: zstd data: Frame requires too much memory for decoding"),
        ] {
            assert_eq!(ended(&read(&compressed)), (packets, format!("`test` is corrupt at {reason}")));
        }
    }

    #[test]
    fn compressed_nothing_is_empty_and_what_is_compressed_twice_is_not_read() {
        assert_eq!(read(&gzip(&[])).message(), "cannot read `test`: it is empty; give a capture file");
        assert_eq!(
            read(&gzip(&gzip(&capture(1)))).message(),
            "cannot read `test`: it is not a capture file: it begins with 1f 8b 08 00; netscript reads pcap and \
             pcapng, plain or compressed with gzip or zstd"
        );
    }
}
