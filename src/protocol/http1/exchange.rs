//! The record of one request and its response.

use crate::record::Time;

/// A request and the response to it.
#[derive(Debug)]
pub struct HttpExchange {
    /// When the first byte of the request was captured.
    pub time: Time,
}

crate::record! {
    /// A request and the response to it.
    impl Record for HttpExchange as "http_exchange" {
        /// When the first byte of the request was captured.
        time: Time, main => |x| x.time;
    }
}

/// c
#[derive(Debug)]
pub struct Credential {
    f: String,
}
crate::record! {
    /// stub
    impl Record for Credential as "credential" {
        /// n
        fingerprint: Text, main => |p| p.f.as_str();
    }
}
