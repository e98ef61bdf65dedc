//! Content codings and transfer codings that compress (RFC 9110, section 8.4; RFC 9112, section 7.2).

use std::io::{self, Read};

use super::flags::Flags;

/// Codings one on top of the other; more than this is an attack and not a body.
const CODINGS: usize = 5;

/// A zstd body may ask for a window of 8 MiB (RFC 9659), as a power of two.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Size of the buffer that the brotli decoder reads through, in bytes.
const BROTLI_BUFFER: usize = 4096;

/// A body without its codings, at most `limit` bytes of it, and what was remarkable about that.
///
/// `codings` are the values of Content-Encoding and Transfer-Encoding in the order in which they were applied. Nothing
/// is given back where there is nothing to decode, or where nothing could be decoded: the body stays as it was sent.
pub(super) fn decode<'a>(
    body: &[u8],
    codings: impl Iterator<Item = &'a [u8]>,
    limit: usize,
    whole: bool,
) -> (Option<Vec<u8>>, Flags) {
    let names = codings.flat_map(|value| value.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii);
    let is_coding =
        |name: &&[u8]| !["", "identity", "chunked"].iter().any(|no| name.eq_ignore_ascii_case(no.as_bytes()));
    let names: Vec<_> = names.filter(is_coding).take(CODINGS + 1).collect();
    if body.is_empty() || names.is_empty() {
        return (None, Flags::NONE);
    }
    if names.len() > CODINGS {
        return (None, Flags::BAD_ENCODING);
    }
    let (mut decoded, mut flags) = (None, Flags::NONE);
    for name in names.iter().rev() {
        let input = decoded.as_deref().unwrap_or(body);
        let Some(reader) = decoder(name, input) else {
            return (decoded, flags | Flags::UNKNOWN_ENCODING);
        };
        let (output, end) = read(reader, limit);
        match end {
            End::Limit => flags |= Flags::DECODED_LIMIT,
            // A body of which a part is missing, or that was cut by a limit before, ends early without being wrong.
            End::Error if whole && flags == Flags::NONE => flags |= Flags::BAD_ENCODING,
            End::Error | End::Whole => {}
        }
        if output.is_empty() && end == End::Error {
            return (decoded, flags);
        }
        decoded = Some(output);
    }
    (decoded, flags)
}

/// What undoes a coding.
fn decoder<'a>(name: &[u8], body: &'a [u8]) -> Option<Box<dyn Read + 'a>> {
    Some(match name.to_ascii_lowercase().as_slice() {
        b"gzip" | b"x-gzip" => Box::new(flate2::bufread::MultiGzDecoder::new(body)),
        // Some servers leave the zlib header out; its first two bytes tell (RFC 1950, section 2.2).
        b"deflate" => match body {
            [cmf, flg, ..] if cmf & 15 == 8 && (u16::from(*cmf) << 8 | u16::from(*flg)) % 31 == 0 => {
                Box::new(flate2::bufread::ZlibDecoder::new(body))
            }
            _ => Box::new(flate2::bufread::DeflateDecoder::new(body)),
        },
        b"br" => Box::new(brotli_decompressor::Decompressor::new(body, BROTLI_BUFFER)),
        b"zstd" => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(body).ok()?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).ok()?;
            Box::new(decoder)
        }
        _ => return None,
    })
}

/// How a coded body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Limit,
    Error,
}

/// What a decoder gives, at most `limit` bytes.
fn read(reader: Box<dyn Read + '_>, limit: usize) -> (Vec<u8>, End) {
    let mut output = Vec::new();
    let result: io::Result<usize> = reader.take((limit as u64).saturating_add(1)).read_to_end(&mut output);
    let end = match result {
        _ if output.len() > limit => End::Limit,
        Ok(_) => End::Whole,
        Err(_) => End::Error,
    };
    output.truncate(limit);
    (output, end)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const TEXT: &[u8] = b"netscript reads what was sent, netscript reads what was sent";

    /// `TEXT` as `zlib.brotliCompressSync` of Node.js makes it.
    const BROTLI: &[u8] = b"\x1b\x3b\x00\xf8\x1d\xa9\x53\x9f\xbb\x59\xba\xc9\xdd\x75\x18\xd9\x1c\x9d\x0a\x2b\
        \x6b\x4d\x3a\x11\x85\x19\xed\xc2\x37\x02\xa9\x44\x37\xa8\x98\x1f\xeb\x50\x6c\x00";

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(data: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(data: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(data: &[u8]) -> Vec<u8> {
        zstd::stream::encode_all(data, 3).unwrap()
    }

    fn decoded(body: &[u8], coding: &str) -> (Option<Vec<u8>>, Flags) {
        decode(body, [coding.as_bytes()].into_iter(), 1 << 20, true)
    }

    #[test]
    fn every_registered_coding_is_undone() {
        for (body, coding) in [
            (gzip(TEXT), "gzip"),
            (gzip(TEXT), "X-GZIP"),
            ([gzip(&TEXT[..10]), gzip(&TEXT[10..])].concat(), "gzip"),
            (zlib(TEXT), "deflate"),
            (deflate(TEXT), "deflate"),
            (BROTLI.to_vec(), "br"),
            (zstd(TEXT), "zstd"),
            (gzip(&zstd(TEXT)), "zstd, gzip"),
            (deflate(&gzip(BROTLI)), "identity,br , gzip,,deflate"),
            (gzip(TEXT), "gzip, chunked"),
        ] {
            assert_eq!(decoded(&body, coding), (Some(TEXT.to_vec()), Flags::NONE), "{coding}");
        }
    }

    #[test]
    fn what_has_no_coding_stays() {
        assert_eq!(decoded(TEXT, "identity"), (None, Flags::NONE));
        assert_eq!(decoded(b"", "gzip"), (None, Flags::NONE));
    }

    #[test]
    fn a_bomb_hits_the_bound() {
        let zeros = vec![0; 4 << 20];
        for (body, coding) in [
            (gzip(&zeros), "gzip"),
            (zlib(&zeros), "deflate"),
            (zstd(&zeros), "zstd"),
            (gzip(&gzip(&zeros)), "gzip, gzip"),
        ] {
            let (output, flags) = decoded(&body, coding);
            assert_eq!((output.unwrap().len(), flags), (1 << 20, Flags::DECODED_LIMIT), "{coding}");
        }
    }

    #[test]
    fn a_window_that_no_server_may_ask_for_is_not_allocated() {
        for (window_log, flags) in [(ZSTD_WINDOW_LOG, Flags::NONE), (ZSTD_WINDOW_LOG + 1, Flags::BAD_ENCODING)] {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
            encoder.window_log(window_log).unwrap();
            encoder.write_all(TEXT).unwrap();
            // Before the end is known, the window cannot be made smaller than asked for.
            encoder.flush().unwrap();
            assert_eq!(decoded(&encoder.finish().unwrap(), "zstd").1, flags, "{window_log}");
        }
    }

    #[test]
    fn what_lies_about_its_coding_is_told() {
        assert_eq!(decoded(TEXT, "gzip"), (None, Flags::BAD_ENCODING));
        assert_eq!(decoded(TEXT, "compress"), (None, Flags::UNKNOWN_ENCODING));
        let wrap = |times| (0..times).fold(TEXT.to_vec(), |body, _| gzip(&body));
        assert_eq!(decoded(&wrap(5), "gzip,gzip,gzip,gzip,gzip"), (Some(TEXT.to_vec()), Flags::NONE));
        assert_eq!(decoded(&wrap(6), "gzip,gzip,gzip,gzip,gzip,gzip"), (None, Flags::BAD_ENCODING));
        // The outer coding is known, the inner one is not.
        assert_eq!(decoded(&gzip(TEXT), "aes128gcm, gzip"), (Some(TEXT.to_vec()), Flags::UNKNOWN_ENCODING));
    }

    #[test]
    fn what_is_there_of_a_cut_body_is_decoded() {
        let noise: Vec<u8> = (0..20_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for (body, coding) in
            [(gzip(&noise), "gzip"), (zlib(&noise), "deflate"), (deflate(&noise), "deflate"), (zstd(&noise), "zstd")]
        {
            let cut = &body[..body.len() - 3];
            let (output, flags) = decode(cut, [coding.as_bytes()].into_iter(), 1 << 20, false);
            let output = output.unwrap_or_default();
            assert!(noise.starts_with(&output) && flags == Flags::NONE, "{coding}");
            assert_eq!(decoded(cut, coding).1, Flags::BAD_ENCODING, "{coding}");
        }
    }
}
