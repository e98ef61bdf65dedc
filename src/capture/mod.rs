//! Where packets come from and go to.

mod cancel;
mod error;
mod source;

pub use cancel::Cancel;
pub use error::CaptureError;
pub use source::{Interface, PacketSource, Progress};
