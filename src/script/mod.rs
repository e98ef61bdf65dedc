//! Rhai over the rest: engine, session, permissions, streams, and one thin file for each primitive.

mod attendants;
pub mod completion;
mod context;
pub mod docs;
mod engine;
mod error;
mod evidence;
pub mod guide;
mod header;
mod input;
mod library;
mod live;
mod memory;
mod permission;
mod plan;
mod primitives;
pub mod reference;
mod session;
mod source;
mod stream;
mod value;
mod verbs;
mod watched;

pub use context::{Options, RunProgress, Source};
pub use error::{ErrorKind, Failure};
pub use header::{Header, HeaderError, Param, ParamType, ParamValue, Variable};
pub use input::Syntax;
pub use library::{Library, LibraryError, Listed, Origin, Script};
pub use live::{DEFAULT_DURATION, Live, Place};
pub use permission::{Permission, UnknownPermission};
pub use primitives::KINDS;
pub use session::{Builder, IT, Netscript, Report, Session};
pub use watched::{Means, Subject, Watched};
