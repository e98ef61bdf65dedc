//! Answers to whoever asks over HTTP: a small server for pages that are only read.

pub mod metrics;
mod reply;
mod server;

pub use hyper::Method;
pub use reply::{PLAIN, Response, reply};
pub use server::{Answer, Server, ServerError};
