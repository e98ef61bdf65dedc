//! Where packets come from and go to.
//!
//! [`CaptureFile`] is a [`PacketSource`] over a file or a pipe, [`LiveCapture`] one over interfaces, [`FilterSet`] chooses among its packets as tcpdump would,
//! and [`Writer`] stores them. [`Cancel`] stops a source that waits.

mod cancel;
mod clock;
mod descriptor;
mod error;
mod evidence;
mod file;
mod filter;
mod filter_error;
mod format;
mod input;
mod live;
mod output;
mod pcap;
mod pcapng;
mod pipeline;
mod recording;
mod source;
#[cfg(test)]
mod testing;
mod writer;

pub use cancel::{Cancel, HangUps};
pub use error::CaptureError;
pub use evidence::Selection;
pub use file::CaptureFile;
pub use filter::{Filter, FilterSet};
pub use filter_error::FilterError;
pub use live::{Listen, LiveCapture, LiveSettings, RemoteShell};
pub use output::OutputFile;
pub use pipeline::{Pipeline, PipelineError, Stage, Until};
pub use recording::{Recording, Rotation};
pub use source::{Arrival, Interface, PacketSource, Progress};
pub use writer::{Format, Writer};
