//! Where a renderer's bytes go.

use std::io::{self, BufWriter, Write};

/// A buffered writer that holds nothing back when a person is looking.
pub(super) struct Output {
    to: BufWriter<Box<dyn Write + Send>>,
    live: bool,
}

impl Output {
    /// Bytes per write to a file or pipe.
    const BUFFER: usize = 64 << 10;

    /// Writes there; `live` passes every piece on at once.
    pub(super) fn new(to: Box<dyn Write + Send>, live: bool) -> Self {
        Self { to: BufWriter::with_capacity(Self::BUFFER, to), live }
    }

    /// Writes one whole piece.
    pub(super) fn put(&mut self, piece: &[u8]) -> io::Result<()> {
        self.to.write_all(piece)?;
        if self.live { self.to.flush() } else { Ok(()) }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
