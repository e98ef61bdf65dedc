//! An embeddable scripting engine for packet investigations.

pub mod capture;
pub mod cli;
pub mod flow;
pub mod limits;
pub mod packet;
pub mod protocol;
pub mod record;
pub mod repl;
pub mod report;
pub mod script;

pub use script::{Netscript, Permission, Report, Script, Session};
