//! What can go wrong with a source or a sink of packets.

/// What went wrong, on what, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {}

impl CaptureError {
    /// Whether what was read before the error stands, and only the rest is missing.
    #[must_use]
    pub const fn is_truncation(&self) -> bool {
        match *self {}
    }
}
