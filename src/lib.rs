//! An embeddable scripting engine for packet investigations.
//!
//! Ask a question of a capture in a few lines of [Rhai](https://rhai.rs), and get rows, findings and a verdict as Rust
//! values. A [`Session`] owns an engine on a thread of its own; its handle can be sent anywhere. It may do nothing that
//! it was not [granted](Permission), and keeps no more than its [`Limits`] say.
//!
//! ```
//! use netscript::record::Value;
//! use netscript::{Netscript, Permission, Script};
//!
//! let session = Netscript::builder().allow(Permission::Capture).read("tests/captures/data/02-get-gzip.pcap").build()?;
//! let report = session.run(&Script::new("hosts", "http_requests().map(|r| r.host).to_array()")?, &[]);
//! assert!(report.failure.is_none());
//! assert_eq!(report.value.to_string(), "httpbin.org");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What a script finds is in [`Report::findings`], how far it can be trusted in [`Report::outcome`]. A run is stopped from
//! any thread with [`Session::cancel`]. Functions of the host are added with [`Builder::register`](script::Builder::register).
//!
//! Below the scripts, each layer can be used alone: [`capture`] reads and writes files, [`packet`] decodes, [`flow`]
//! follows conversations, [`protocol`] parses what they carry, [`report`] renders.

pub mod capture;
pub mod cli;
mod clock;
pub mod egress;
pub mod flow;
pub mod host;
pub mod limits;
mod mailbox;
mod nearest;
pub mod packet;
pub mod protocol;
pub mod proxy;
pub mod record;
pub mod repl;
pub mod report;
pub mod script;
pub mod status;
pub mod trace;
pub mod web;

pub use limits::Limits;
pub use script::{Netscript, Permission, Report, Script, Session};
