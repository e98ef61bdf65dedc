//! What a row is, declared once.
//!
//! Every record type lists its fields with [`record!`](crate::record!): name, type, unit, documentation and
//! accessor. Getters in scripts, JSON keys, columns, the reference and completion are read off that list.

mod kind;
pub mod secret;
mod time;
mod tuple;
mod value;

pub use kind::{Field, Kind, Record, Row, Type};
pub use time::{Duration, ParseDurationError, ParseTimeError, Time};
pub use tuple::Tuple;
pub use value::{Content, Value};
